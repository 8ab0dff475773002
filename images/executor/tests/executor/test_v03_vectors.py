"""contract-sdk-v03-vectors.json in the real WASI interpreter: bytes, slots, schemas, requests, texts.

(S22 needs numpy, which is not there.)
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from guest.vectors import Step

from genvm_executor.lines import V03
from genvm_executor.machine.engine import deterministic_engine, reserve_native_stack
from genvm_executor.python.programs import Programs
from genvm_wire.calldata import encode

from . import later_vectors as later
from .later_vectors import VECTORS, evaluate
from .wasi_harness import WasiHarness


@pytest.fixture(scope="package")
def later_line(precompiled: Path) -> WasiHarness:
    reserve_native_stack()
    return WasiHarness(Programs.stored(deterministic_engine(), precompiled), V03)


def _each(name: str) -> pytest.MarkDecorator:
    chosen = [vector for vector in VECTORS[name] if vector["id"] not in later.NEEDS_NUMPY]
    return pytest.mark.parametrize("vector", chosen, ids=[vector["id"] for vector in chosen])


@_each("storage")
def test_storage_holds_the_bytes(later_line: WasiHarness, vector: dict[str, Any]) -> None:
    later.check_storage(later_line, vector)


@_each("schema")
def test_schema_is_the_text(later_line: WasiHarness, vector: dict[str, Any]) -> None:
    (outcome,) = later_line.run(vector["src"], [Step(encode({"": "#get-schema"}))])
    wanted = later.LENIENT_SCHEMAS.get(vector["id"], vector["r3"])
    if wanted is None:
        assert (outcome.kind, outcome.data) == ("VMError", "exit_code 1")
        later.check_exception(outcome, vector.get("exception"))
    else:
        assert (outcome.kind, outcome.data) == ("Return", encode(wanted)), outcome.stderr


@_each("dispatch")
def test_dispatch_ends_as_it_does_upstream(later_line: WasiHarness, vector: dict[str, Any]) -> None:
    source = VECTORS["dispatch_src2" if "second source" in vector["title"] else "dispatch_src"]
    outcome = later.run(later_line, source, bytes.fromhex(vector["calldata_hex"]), vector["message"])
    later.check_result(outcome, vector["result"])
    later.check_exception(outcome, vector.get("exception"))


@_each("gl_call")
def test_requests_have_the_bytes(later_line: WasiHarness, vector: dict[str, Any]) -> None:
    replies = [bytes.fromhex(reply) for reply in vector.get("replies_hex", ()) if reply is not None]
    step = Step(encode({}), message={"is_init": True}, replies=replies)
    (outcome,) = later_line.run(vector["src"], [step])
    later.check_calls(outcome, vector)


@_each("nondet")
def test_nondeterministic_requests_have_the_bytes(later_line: WasiHarness, vector: dict[str, Any]) -> None:
    body = "".join(f"    {line}\n" for line in vector["body"].splitlines())
    source = f"import genlayer as gl\nclass C(gl.contract.Contract): ...\ndef stage(data):\n{body}"
    replies = [bytes.fromhex(reply) for reply in vector["replies_hex"]]
    step = Step(later.STAGE_PICKLE, entry_kind=2, replies=replies)
    (outcome,) = later_line.run(source, [step])
    later.check_calls(outcome, vector)


def test_prompt_templates_have_the_bytes(later_line: WasiHarness) -> None:
    asks = """
def stage(data):
    from genlayer.eq_principle import _acceptable, _answer, _comparable
    leader = gl.vm.Return
    _comparable(lambda: "2", "p", leader("1"))
    _answer(lambda: "i", "t", "c")
    _acceptable(lambda: "i", "t", "c", leader("o"))
"""
    replies = [encode({"ok": answer}) for answer in (True, "text", True)]
    (outcome,) = later_line.run(
        later.HEADER + "class C(gl.contract.Contract): ...\n" + asks,
        [Step(later.STAGE_PICKLE, entry_kind=2, replies=replies)],
    )
    assert outcome.kind == "Return", outcome.stderr
    assert [call.hex() for call in outcome.calls[:3]] == [one["hex"] for one in VECTORS["prompt_templates"]]


DEFINITIONS = """
@dataclass
class DC:
    x: int
    y: str
class Enc(CalldataEncodable):
    def __to_calldata__(self): return 11
class Two(CalldataEncodable):
    def __to_calldata__(self): return [1, 2]
"""
WORDED = {
    "dataclass DC(x=10, y='q')": "encode(DC(x=10, y='q'))",
    "object registered with CalldataEncodable, __to_calldata__ returns 11": "encode(Enc())",
    "the same with default=lambda x: 12": "encode(Enc(), default=lambda x: 12)",
    "object whose __to_calldata__ returns [1, 2]": "Two()",
}


def test_calldata_has_the_bytes_and_the_texts(later_line: WasiHarness) -> None:
    values, texts, invalid = VECTORS["calldata"], VECTORS["calldata_text"], VECTORS["calldata_invalid"]
    found = evaluate(
        later_line,
        [
            *(WORDED.get(one["python"], f"encode({one['python']})") for one in values),
            *(f"to_str({WORDED.get(one['python'], one['python'])})" for one in texts),
            *(f"decode(bytes.fromhex({one['hex']!r}))" for one in invalid),
        ],
        "import genlayer.calldata\nencode, decode = gl.calldata.encode, gl.calldata.decode\n" + DEFINITIONS,
    )
    wanted = [one["hex"] for one in values]
    wanted += [one["raises"] if "raises" in one else repr(one["text"]) for one in texts]
    wanted += [one["outcome"] for one in invalid]
    assert found == wanted


EVM_DEFINITIONS = """
A1 = Address(bytes.fromhex("5b38da6a701c568545dcfcb03fcb875f56beddc4"))
A2 = Address(bytes.fromhex("7b38da6a701c568545dcfcb03fcb875f56bedfb3"))
evm = gl.evm
encode, decode = evm.encode, evm.decode
@evm.contract_interface
class X:
    class View:
        def foo(self, s: str, /) -> None: ...
    class Write:
        def bar(self, s: str, /) -> None: ...
"""


def _evm_expression(python: str) -> str:
    if python.startswith("interface "):
        kind, name, argument = python.split()[1], python.split()[2].partition("(")[0], python.split("'")[1]
        return f"X._{kind}[{name!r}].encode_call(({argument!r},)).hex()"
    return python.replace(" selector", ".selector.hex()")


def test_abi_data_has_the_bytes(later_line: WasiHarness) -> None:
    vectors = VECTORS["evm"]
    found = evaluate(later_line, [_evm_expression(one["python"]) for one in vectors], EVM_DEFINITIONS)
    assert [one.strip("'") for one in found] == [one["value"] for one in vectors]


def test_abi_data_is_read_and_written_strictly(later_line: WasiHarness) -> None:
    invalid = VECTORS["evm_invalid"]
    cases: list[tuple[str, str, str]] = []
    for one in invalid["decode"]:
        types = one["type"].split(", ") if "[" not in one["type"] else [one["type"]]
        cases += [
            (f"decode({kind}, bytes.fromhex({one['hex']!r}))", "DecodingError", one.get("contains", ""))
            for kind in types
        ]
    for one in invalid["encode"]:
        value = repr(one["value"]) if "value" in one else f"bytes.fromhex({one['value_hex']!r})"
        value = f"tuple({value})" if one["type"].startswith("tuple") else value
        cases.append((f"encode({one['type']}, {value})", "ValueError", one["contains"]))
    found = evaluate(later_line, [case[0] for case in cases], EVM_DEFINITIONS)
    for (expression, error, text), value in zip(cases, found, strict=True):
        assert value.startswith(f"{error}: ") and text in value, (expression, value)
    for one in invalid["decode_ok"]:
        expression = f"decode({one['type']}, bytes.fromhex({one['hex']!r}))"
        assert evaluate(later_line, [expression], EVM_DEFINITIONS) == [repr(one["value"])]


CLASSES = """
class Col(StrEnum):
    A = "a"
class Num(IntEnum):
    A = 1
class Sub(bytes): ...
@dataclass
class Dc:
    x: u8
    y: 'list[int]'
def json_of(annotation):
    from genlayer_core.schema import contract_schema
    import json
    def m(self, a): ...
    m.__annotations__["a"] = annotation
    def __init__(self): ...
    made = type("K", (), {"__init__": __init__, "m": gl.public.view(m)})
    text = contract_schema(made, gl.contract.Contract.__gl_schema_rules__)
    return json.loads(text)["methods"]["m"]["params"][0][1]
"""


def test_annotations_have_their_schema(later_line: WasiHarness) -> None:
    vectors = VECTORS["schema_types"]
    names = [one["annotation"].removeprefix("class ").removeprefix("dataclass ") for one in vectors]
    classes = ("Col(", "Num(", "Sub(", "Dc(")
    names = [name.partition("(")[0] if name.startswith(classes) else name for name in names]
    found = evaluate(later_line, [f"json_of({name})" for name in names], CLASSES)
    for name, vector, value in zip(names, vectors, found, strict=True):
        if vector["json"] is None:
            assert value.startswith("SchemaError: "), (name, value)
        else:
            assert value == repr(vector["json"]), name


def test_storage_says_what_it_does_not_take(later_line: WasiHarness) -> None:
    lines = {
        "DynArray()": "DynArray()",
        "Array()": "Array()",
        "VLA[u32].extend(b'123')": "vla(u32).extend(b'123')",
        "VLA.truncate(5) with one item": "vla(u8, 1).truncate(5)",
        "Box(1) of a generic class Box[T]": "Box(1)",
        "class of a field contains itself": "field('Loop')",
        "Array[u8, Literal[0]]": "field('Array[u8, Literal[0]]')",
        "field of an unmarked class": "field('Unmarked')",
        "m: TreeMap[str, str]; self.m = {'x': 'y'}": "stored('TreeMap[str, str]', {'x': 'y'})",
    }
    definitions = """
class Unmarked:
    x: u8
@allow
class Loop:
    x: "Loop"
@allow
@dataclass
class Box[T]:
    v: T
def field(annotation):
    made = type("K", (), {"__annotations__": {"x": eval(annotation)}, "__module__": __name__})
    return inmem_allocate(allow(made))
def stored(annotation, value):
    field(annotation).x = value
def vla(item, *values):
    return gl.storage.Root.get().get_vacant_slot().cast(VLA[item], 0).assign(values)
"""
    expressions, wanted = [], []
    for vector in VECTORS["storage_errors"]:
        body = vector["src_body"]
        expressions.append(lines.get(body) or f"field({body.removeprefix('field annotated ')!r})")
        wanted.append(vector.get("r3") or vector["raises"])
    found = evaluate(later_line, expressions, definitions)
    for expression, value, text in zip(expressions, found, wanted, strict=True):
        kind, _, rest = text.replace("TypeError (GenerationError)", "GenerationError").partition(": ")
        rest = rest or kind.partition("`")[2].removesuffix("`")
        assert value.startswith(kind.split()[0] + ": " + rest), (expression, value)


def test_hashes_letters_and_runner_ids(later_line: WasiHarness) -> None:
    pairs = [
        *((f"gl.gvm32.encode(bytes.fromhex({one['hex']!r}))", repr(one["text"]))
          for one in VECTORS["gvm32"] if "text" in one),
        *((f"gl.gvm32.decode({one['decode']!r})", one["hex"] if one["hex"] else "None")
          for one in VECTORS["gvm32"] if "decode" in one and "hex" in one),
        *((f"gl.gvm32.decode({one['decode']!r}) == gl.gvm32.decode({one['same_as']!r})", "True")
          for one in VECTORS["gvm32"] if "same_as" in one),
        *((one["python"], repr(one["value"]) if "value" in one else one["raises"])
          for one in VECTORS["runner_id_ops"]),
        *((f"Keccak256({one['keccak256_of']!r}.encode()).hexdigest()", repr(one["hex"]))
          for one in VECTORS["hash"] if "keccak256_of" in one),
    ]  # fmt: skip
    address = "A = Address(bytes.fromhex('5b38da6a701c568545dcfcb03fcb875f56beddc4'))"
    assert evaluate(later_line, [pair[0] for pair in pairs], address) == [pair[1] for pair in pairs]


def test_names_of_keys_and_allocations(later_line: WasiHarness) -> None:
    keys = [
        (f"message_allocation._name_key({one['name']!r})", one["key"])
        if "name" in one
        else (f"message_allocation._external_key(bytes.fromhex({one['external_selector']!r}))", one["key"])
        if "external_selector" in one
        else ("message_allocation._internal_key(None)", one["key"])
        for one in VECTORS["call_key"]
    ]
    expressions = {
        "descendants=False": "UseBalanceParams(P, False)",
        "descendants='x' or b'x'": "UseBalanceParams(P, 'x')",
        "descendants=[1]": "UseBalanceParams(P, [1])",
        "use_balance=True": "gl.contract.get_at(T).emit(True)",
        "internal call_key=b'1234'": "InternalAllocation(T, b'1234', P, 1)",
        "internal call_key=7": "InternalAllocation(T, 7, P, 1)",
        "external call_key='transfer'": "ExternalAllocation(T, 'transfer', P, 1)",
        "external call_key=b'123'": "ExternalAllocation(T, b'123', P, 1)",
    }
    allocation = VECTORS["allocation"]
    refused = []
    for one in allocation["refused"]:
        key = next(name for name in one if name != "raises")
        refused.append((expressions[f"{key}={one[key]}"], one["raises"]))
    limit = allocation["limit"].partition("ValueError ")[2]
    flat = allocation["flatten_parent_index"]["parent_index"]
    tree = [
        ("[one['parent_index'] for one in UseBalanceParams(P, [ROOT, EXT]).request_fields()['descendants']]",
         repr([2**256 - 1 if one == "2^256-1" else one for one in flat])),
        ("UseBalanceParams(P, [LEAF] * 1025)", "ValueError: " + limit),
        *((f"sorted(UseBalanceParams(P, {one}).request_fields())", "['fee_params', 'use_balance']")
          for one in allocation["closed"]),
    ]  # fmt: skip
    definitions = """
import genlayer.message_allocation as message_allocation
T = Address(b"0" * 20)
P = gl.chain.InternalMessageParams(5, 5, 1024, [4] * 5, 2, 20, 20)
LEAF = InternalAllocation(T, "leaf", P, 10)
CHILD = InternalAllocation(T, "child", P, 1, children=[LEAF])
ROOT = InternalAllocation(T, "root", P, 30, children=[CHILD, LEAF])
EXT = ExternalAllocation(T, None, gl.chain.ExternalMessageParams(1, 1), 1)
"""
    pairs = keys + refused + tree
    assert evaluate(later_line, [pair[0] for pair in pairs], definitions) == [pair[1] for pair in pairs]


def test_the_root_lies_where_it_should(later_line: WasiHarness) -> None:
    slots = VECTORS["slots"]
    pairs = [
        (
            "gl.vm.ABI.root_offsets._asdict()",
            repr({k: v for k, v in slots["root_offsets"].items() if k != "verified"}),
        )
    ]
    pairs += [
        (
            f"described(Root.get().slot().indirect({one['offset']}))",
            repr([one["id"], one["as_int_le"], one["gvm32"]]),
        )
        for one in slots["indirect"]
    ]
    described = "def described(s): return [s.id.hex(), str(s.as_int()), gl.gvm32.encode(s.id)]"
    assert evaluate(later_line, [pair[0] for pair in pairs], described) == [pair[1] for pair in pairs]


def test_floats_and_hashes_of_the_interpreter(later_line: WasiHarness) -> None:
    floats = {
        key: value
        for key, value in VECTORS["floats"].items()
        if key not in ("note", "sum_rule", "warning", "verified")
    }
    definitions = """
import math
from math import *
def summed():
    acc = 0
    for i in range(1, 50):
        x = i * 0.123456789
        acc += sin(x) * cos(x)
        acc += exp(x % 3.0)
        acc += sqrt(x) * log(x + 1.0)
        acc += atan2(x, 1.0 + x) ** 1.5
    return acc
"""
    expressions = {"sum": "summed()", "pi": "math.pi", "e": "math.e"}
    asked = [f"struct.pack('<d', {expressions.get(key, key)}).hex()" for key in floats]
    found = evaluate(later_line, asked, definitions)
    assert found == [repr(value) for value in floats.values()]


def test_hashes_of_values(later_line: WasiHarness) -> None:
    """The build's algorithm, and what does not depend on the run; there is no variable for the seed."""
    said = {key: value for key, value in VECTORS["python_hash"].items() if key not in ("note", "verified")}
    assert said.pop("PYTHONHASHSEED") == "not set"
    places = {"algorithm": "sys.hash_info.algorithm", "seed_bits": "sys.hash_info.seed_bits"}
    places |= {"hash_bits": "sys.hash_info.hash_bits"}
    found = evaluate(later_line, [places.get(key, key) for key in said])
    assert found == [repr(value) for value in said.values()]
    absent = "__import__('os').environ.get('PYTHONHASHSEED')"
    assert evaluate(later_line, [absent]) == ["None"]

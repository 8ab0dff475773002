"""Names that stand as text in annotations, also within generic types (contract-sdk 11, 12.2 and 13)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from genlayer.py import calldata, evm, types
from genlayer.py.types import Address

from .contracts import HEADER, value_of
from .native import NativeHarness
from .vectors import Step, VmEnd, call_data

FUTURE = "from __future__ import annotations\n"
both_ways = pytest.mark.parametrize("future", ["", FUTURE], ids=["as written", "all as text"])


def schema_of(harness: NativeHarness, source: str) -> dict[str, Any]:
    """Method → the form of its first parameter; empty when the whole schema is refused."""
    (outcome,) = harness.run(source, [Step(call_data(harness, "#get-schema", ()))])
    if outcome.kind == "VMError":
        return {}
    methods = json.loads(value_of(outcome))["methods"]
    return {name: method["params"][0][1] for name, method in methods.items()}


def views(**annotations: str) -> str:
    """A contract with a view per name, which has one parameter."""
    return "class C(gl.Contract):\n    def __init__(self):\n        pass\n" + "".join(
        f"    @gl.public.view\n    def {name}(self, a: {annotation}):\n        pass\n"
        for name, annotation in annotations.items()
    )


POINT = {"x": "int"}


@both_ways
@pytest.mark.parametrize(
    ("annotation", "form"),
    [
        ("typing.Optional['P']", {"$or": [POINT, "null"]}),
        ("typing.Union['P', None, int]", {"$or": [POINT, "null", "int"]}),
        ("typing.List['P']", [{"$rep": POINT}]),
        ("list['P'] | None", {"$or": [[{"$rep": POINT}], "null"]}),
        ("typing.Dict[str, 'P']", {"$dict": POINT}),
        ("dict['str', list['P']]", {"$dict": [{"$rep": POINT}]}),
        ("typing.Tuple[int, 'P']", ["int", POINT]),
        ("DynArray['Address']", [{"$rep": "address"}]),
        ("TreeMap['str', 'P']", {"$dict": POINT}),
        ("\"typing.Optional['P']\"", {"$or": [POINT, "null"]}),
        ("typing.Optional[typing.Literal['P']]", {"$or": ["any", "null"]}),
        ("N", [{"$rep": POINT}]),
    ],
)
def test_the_schema_finds_names_within_generic_types(
    harness: NativeHarness, future: str, annotation: str, form: object
) -> None:
    types = f"N = typing.NewType('N', 'list[P]')\n@dataclass\nclass D:\n    a: {annotation}\n"
    source = future + HEADER + types + "@dataclass\nclass P:\n    x: u32\n" + views(m="D", n=annotation)
    assert schema_of(harness, source) == {"m": {"a": form}, "n": form}


@both_ways
@pytest.mark.parametrize("annotation", ["list['Nowhere']", "'SELF'", "list['SELF']", "'1 +'", "'5'"])
def test_text_that_names_no_type_is_refused(harness: NativeHarness, future: str, annotation: str) -> None:
    assert schema_of(harness, future + HEADER + "SELF = 'SELF'\n" + views(m=annotation)) == {}


def test_a_class_is_found_where_it_stands(harness: NativeHarness) -> None:
    """In the contract's class; and of two with one name the module's, as the reference finds it."""
    source = (
        FUTURE + HEADER + "@dataclass\nclass P:\n    outer: int\n"
        "class C(gl.Contract):\n    @dataclass\n    class P:\n        inner: int\n"
        "    @dataclass\n    class Q:\n        own: list[P]\n        u32: u32 = 3\n"
        "    def __init__(self):\n        pass\n"
        "    @gl.public.view\n    def m(self, a: list[Q]):\n        pass\n"
    )
    (form,) = schema_of(harness, source)["m"]
    assert form == {"$rep": {"own": [{"$rep": {"outer": "int"}}], "u32": "int"}}


def deployed(harness: NativeHarness, source: str) -> VmEnd:
    (outcome,) = harness.run(source, [Step(harness.encode({}), message={"is_init": True})])
    return outcome


@both_ways
@pytest.mark.parametrize(
    ("annotation", "body"),
    [
        ("DynArray['P']", "a.append_new_get().x = 7"),
        ("TreeMap[str, 'P']", "a.get_or_insert_default('k').x = 7"),
        ("TreeMap['Address', 'DynArray[P]']", "a.get_or_insert_default(gl.message.sender_address)"),
        ("TreeMap[str, 'u256']", "a['k'] = 7"),
        ("Array['P', typing.Literal[3]]", "a[2].x = 7"),
        ("gl.storage.Indirection['P']", "a.get().x = 7"),
        ("'DynArray[\"P\"]'", "a.append_new_get().x = 7"),
        ("Box['P']", "a.content.x = 7"),
        ("Boxes['P']", "a.all.append_new_get().content.x = 7"),
        ("PBox", "a.content.x = 7"),
    ],
)
def test_storage_finds_names_within_generic_types(
    harness: NativeHarness, future: str, annotation: str, body: str
) -> None:
    records = (
        "T = typing.TypeVar('T')\n@allow_storage\nclass Box(typing.Generic[T]):\n    content: T\n"
        "@allow_storage\nclass Boxes(typing.Generic[T]):\n    all: DynArray['Box[T]']\n"
        "@allow_storage\nclass PBox(Box['P']):\n    pass\n"
        "@allow_storage\nclass Holder:\n    limit: 'typing.ClassVar[int]' = 3\n"
        f"    a: {annotation}\n@allow_storage\n@dataclass\nclass P:\n    x: u32\n"
    )
    contract = (
        f"class C(gl.Contract):\n    a: {annotation}\n    held: Holder\n    def __init__(self):\n"
        f"        for a in (self.a, self.held.a):\n            {body}\n"
    )
    outcome = deployed(harness, future + HEADER + records + contract)
    assert outcome.kind == "Return", outcome.stderr
    assert outcome.slots


@both_ways
def test_evm_declarations_find_names_within_generic_types_and_have_what_they_inherit(
    harness: NativeHarness, future: str
) -> None:
    source = (
        future + HEADER + "import collections.abc\n"
        "class Shared:\n    def gone(self, /): ...\n    def __init__(self): ...\n"
        "    def send(self, to: list['Address'], ids: collections.abc.Sequence['u8'], /): ...\n"
        "@gl.evm.contract_interface\nclass Token:\n    class View:\n        pass\n"
        "    class Write(Shared):\n        gone = None\n"
        "class C(gl.Contract):\n    def __init__(self):\n        me = gl.message.sender_address\n"
        "        Token(me).emit(value=5).send([me], [1])\n        return hasattr(Token(me).emit(), 'gone')\n"
    )
    outcome = deployed(harness, source)
    assert value_of(outcome) is False
    sent = calldata.decode(outcome.calls[0])["EthSend"]
    small: Any = types.UNSIGNED["u8"]
    encoder = evm.MethodEncoder("send", (list[Address], list[small]), None)
    assert sent["calldata"] == encoder.encode_call(([Address(b"\x02" * 20)], [1]))
    assert sent["value"] == 5


def test_a_method_hides_no_builtin_of_that_name(harness: NativeHarness) -> None:
    forms = schema_of(harness, FUTURE + HEADER + views(list="int", other="list[int]"))
    assert forms["other"] == [{"$rep": "int"}]


@pytest.mark.parametrize("value", ["5", "'P'", "None", "property()", "[int]"])
def test_a_constant_hides_no_builtin_of_that_name(harness: NativeHarness, value: str) -> None:
    source = FUTURE + HEADER + views(a="int", b="list[int]", c="K")
    contract = source + f"    int = list = {value}\n    K = typing.Optional[str]\n"
    forms = schema_of(harness, contract)
    assert forms == {"a": "int", "b": [{"$rep": "int"}], "c": {"$or": ["string", "null"]}}


@pytest.mark.parametrize("value", ["list[str]", "typing.List[str]", "typing.NewType('L', list[str])"])
def test_a_type_in_a_class_hides_a_builtin_of_that_name(harness: NativeHarness, value: str) -> None:
    source = FUTURE + HEADER + views(a="tuple", b="width")
    forms = schema_of(harness, source + f"    tuple = {value}\n    width = typing.Literal[5]\n")
    assert forms == {"a": [{"$rep": "string"}], "b": "any"}


def test_neither_does_one_in_a_class_that_is_stored(harness: NativeHarness) -> None:
    record = "@allow_storage\n@dataclass\nclass R:\n    on: bool\n    bool = 5\n"
    contract = "class C(gl.Contract):\n    r: R\n    def __init__(self):\n        self.r = R(True)\n"
    outcome = deployed(harness, FUTURE + HEADER + record + contract)
    assert outcome.kind == "Return", outcome.stderr
    assert outcome.slots


def test_the_aliases_of_what_is_encoded_are_there() -> None:
    """Published contracts import them."""
    assert {"Decoded", "Encodable", "EncodableWithDefault"} <= set(calldata.__all__)

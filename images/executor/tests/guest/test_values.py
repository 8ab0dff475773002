"""Addresses, hashes, calldata and the EVM's ABI give the reference values; hostile input gives clear errors."""  # noqa: E501

from __future__ import annotations

import datetime
import hashlib  # noqa: F401
import pickle
from typing import Any

import genlayer
import pytest
from genlayer import gl
from genlayer.py import calldata, evm, keccak, public_abi, types
from genlayer.py.types import Address
from genlayer_core.storage.slots import indirect_id

from .vectors import VECTORS

U8: Any = types.UNSIGNED["u8"]
I256: Any = types.SIGNED["i256"]
NAMES: dict[str, Any] = {**{name: getattr(types, name) for name in types.__all__}, "evm": evm}


def test_star_import_binds_exactly_72_names() -> None:
    namespace: dict[str, Any] = {}
    exec("from genlayer import *", namespace)
    del namespace["__builtins__"]
    assert len(namespace) == 72
    assert set(namespace) == set(genlayer.__all__)


@pytest.mark.parametrize("vector", VECTORS["address"], ids=lambda vector: vector["bytes"][:8])
def test_address_forms(vector: dict[str, str]) -> None:
    address = Address(bytes.fromhex(vector["bytes"]))
    assert address.as_hex == str(address) == f"{address:x}" == vector["as_hex"]
    assert address.as_b64 == f"{address:b64}" == vector["as_b64"]
    assert str(address.as_int) == vector["as_int"]
    assert (repr(address), f"{address}", f"{address:cd}") == (
        vector["repr"],
        vector["format_empty"],
        vector["format_cd"],
    )
    assert Address(vector["as_hex"].lower().replace("0X", "0x")) == Address(vector["as_b64"]) == address


@pytest.mark.parametrize("source", ["", "0x12", "zz" * 21, b"short", "0x" + "g" * 40, "A" * 28])
def test_what_is_no_address_is_refused(source: Any) -> None:
    if source == "A" * 28:
        source = "A" * 32
    with pytest.raises(Exception, match="invalid address"):
        Address(source)


def test_address_refuses_an_address_and_comparison_with_other_types() -> None:
    address = Address(bytes(20))
    with pytest.raises(TypeError):
        Address(address)
    with pytest.raises(AssertionError):
        _ = address < "x"
    assert address != "x"
    with pytest.raises(TypeError):
        format(address, "d")


@pytest.mark.parametrize("vector", [v for v in VECTORS["hash"] if "keccak256_of" in v], ids=str)
def test_keccak(vector: dict[str, str]) -> None:
    assert keccak.Keccak256(vector["keccak256_of"].encode()).hexdigest() == vector["hex"]


def test_keccak_in_pieces_is_keccak_of_the_whole() -> None:
    data = bytes(range(256)) * 3
    whole = keccak.Keccak256(data)
    pieces = keccak.Keccak256()
    for start in range(0, len(data), 7):
        pieces.update(data[start : start + 7])
    twin = pieces.copy()
    twin.update(b"more")
    assert pieces.digest() == whole.digest() != twin.digest()


def test_deployment_address() -> None:
    (vector,) = (v for v in VECTORS["hash"] if "create2" in v)
    given = vector["create2"]
    deployer = Address(given["contract"])
    from genlayer_core.proxies import deployed_address

    found = deployed_address(deployer, given["salt_nonce"], given["chain_id"])
    assert found.as_hex == vector["address"]


@pytest.mark.parametrize("vector", [v for v in VECTORS["hash"] if "indirect" in v], ids=str)
def test_derived_slot(vector: dict[str, Any]) -> None:
    given = vector["indirect"]
    assert indirect_id(bytes.fromhex(given["slot"]), given["offset"]).hex() == vector["slot"]


@pytest.mark.parametrize("vector", VECTORS["calldata"], ids=lambda vector: vector["python"])
def test_calldata_encodes_and_decodes(vector: dict[str, str]) -> None:
    value = eval(vector["python"], dict(NAMES))
    assert calldata.encode(value).hex() == vector["hex"]
    decoded = calldata.decode(bytes.fromhex(vector["hex"]))
    assert decoded == (list(value) if isinstance(value, tuple) else value)


@pytest.mark.parametrize("vector", VECTORS["calldata_invalid"], ids=lambda vector: vector["why"])
def test_calldata_refuses(vector: dict[str, str]) -> None:
    kind, _, text = vector["outcome"].partition(": ")
    error = {"DecodingError": calldata.DecodingError, "UnicodeDecodeError": UnicodeDecodeError}[kind]
    with pytest.raises(error) as caught:
        calldata.decode(bytes.fromhex(vector["hex"]))
    assert str(caught.value) == text


@pytest.mark.parametrize("number", [2**512, 2**513 - 1, -(2**4000), 2**9999, 7 << 5000, 2**560 - 1])
def test_integers_have_no_limit(number: int) -> None:
    assert calldata.decode(calldata.encode(number)) == number
    assert calldata.to_str(number)


@pytest.mark.parametrize(
    "data", [b"\xfd\xff\xff\xff\x7f", b"\xfe\xff\xff\xff\x7f", b"\xfb\xff\xff\xff\xff\xff\x0f"]
)
def test_announced_sizes_beyond_the_input_are_refused_before_allocating(data: bytes) -> None:
    with pytest.raises(calldata.DecodingError):
        calldata.decode(data)


def test_nesting_ends_at_128_levels() -> None:
    assert calldata.decode(b"\x0d" * 127 + b"\x05") is not None
    with pytest.raises(calldata.DecodingError, match="nested"):
        calldata.decode(b"\x0d" * 128 + b"\x05")
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(ValueError, match="nested"):
        calldata.encode(endless)


@pytest.mark.parametrize(
    "value",
    [1.5, {1}, datetime.datetime(2024, 1, 1), object(), iter(())],
    ids=lambda value: type(value).__name__,
)
def test_calldata_cannot_hold(value: object) -> None:
    with pytest.raises(TypeError, match="not calldata encodable"):
        calldata.encode(value)


def test_calldata_keys_are_text_and_memory_views_are_bytes() -> None:
    with pytest.raises(TypeError, match="key is not string"):
        calldata.encode({1: 1})
    assert calldata.encode(memoryview(b"hi")) == calldata.encode(b"hi")


def test_calldata_text_form() -> None:
    value = {"b": [1, None, True], "a": Address(bytes(20)), "x": b"\x01", "é": 'q"'}
    assert calldata.to_str(value) == (
        '{"b":[1,null,true],"a":addr#' + "00" * 20 + ',"x":b#01,"\\u00e9":"q\\""}'
    )


@pytest.mark.parametrize("vector", VECTORS["evm"], ids=lambda vector: vector["python"][:50])
def test_evm_abi(vector: dict[str, str]) -> None:
    assert str(eval(vector["python"], dict(NAMES))) == vector["value"]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (list[U8], [1, 2, 3]),
        (list[str], ["a", "", "c" * 40]),
        (tuple[str, tuple[I256, list[bytes]]], ("x", (-5, [b"", b"q" * 33]))),
        (list[tuple[Address, bool]], [(Address(b"\x05" * 20), True)]),
    ],
    ids=str,
)
def test_evm_values_survive_encoding(kind: Any, value: Any) -> None:
    assert evm.decode(kind, evm.encode(kind, value)) == value


@pytest.mark.parametrize(
    ("kind", "data", "value"),
    [
        (str, b"", ""),
        (bytes, b"", b""),
        (list[str], b"", []),
        (types.u256, b"", 0),  # type: ignore[attr-defined]
        (bool, b"", True),
        (bool, bytes(31), True),
        (bool, bytes(32), False),
        (bool, bytes(33), False),
        (bool, b"\x80" + bytes(31), True),
        (types.u8, bytes(30) + b"\x01\x05", 5),  # type: ignore[attr-defined]
        (types.i8, bytes(31) + b"\xff", -1),  # type: ignore[attr-defined]
        (types.i16, b"\xff", -1),  # type: ignore[attr-defined]
        (types.i256, b"\xff", -1),  # type: ignore[attr-defined]
        (types.i256, b"\x7f\xff", 0x7FFF),  # type: ignore[attr-defined]
        (types.u256, b"\xff", 255),  # type: ignore[attr-defined]
        (types.i16, bytes(29) + b"\x07\x80\x01", -32767),  # type: ignore[attr-defined]
        (list[U8], bytes(31) + b"\x20" + bytes(31) + b"\x02" + bytes(31) + b"\x09", [9, 0]),
        (str, bytes(31) + b"\x20" + bytes(31) + b"\x40" + b"ab", "ab"),
    ],
    ids=str,
)
def test_evm_data_is_read_as_leniently_as_upstream_reads_it(kind: Any, data: bytes, value: Any) -> None:
    decoded = evm.decode(kind, data)
    assert (decoded, type(decoded)) == (value, type(value))


@pytest.mark.parametrize("data", [b"\xff" * 32, bytes(31) + b"\x20" + b"\xff" * 32])
def test_a_list_longer_than_its_evm_data_is_refused_before_it_is_made(data: bytes) -> None:
    nested = bytes(31) + b"\x20" + data[-32:]
    with pytest.raises(ValueError, match="a list of"):
        evm.decode(list[str], nested)


UPSTREAM_NAMES = {
    *("Address", "Contract", "Event", "Keccak256", "Lazy", "MessageRawType", "MessageType", "SizedArray"),
    *("advanced", "bigint", "calldata", "contract_interface", "deploy_contract", "eq_principle", "evm"),
    *("get_contract_at", "nondet", "private", "public", "storage", "trace", "trace_time_micro", "vm", "wasi"),
    *(f"{sign}{bits}" for sign in "ui" for bits in range(8, 257, 8)),
}


def test_gl_has_just_the_names_that_upstream_has() -> None:
    import genlayer_core.schema  # noqa: F401

    found = {name for name in dir(gl) if not name.startswith("_")}
    assert found == UPSTREAM_NAMES


# Beyond their tables (contract-sdk 4 and 9-12) modules show, as upstream's do, what they use.
WRITTEN_WITH = {"Lazy", "T"}
SHOWN = {
    "vm": {
        *("Return", "UserError", "VMError", "ResultCode", "calldata", "gl_call", "run_nondet"),
        *("run_nondet_unsafe", "spawn_sandbox", "unpack_result"),
    },
    "eq_principle": {"prompt_comparative", "prompt_non_comparative", "strict_eq"},
    "nondet": {"Image", "NondetException", "exec_prompt", "web"},
    "nondet.web": {"Image", "Response", "delete", "get", "head", "patch", "post", "render", "request"},
    "advanced": {"emit_raw_event", "user_error_immediate"},
    "evm": {
        *("EvmContract", "InplaceTuple", "MethodEncoder", "contract_interface", "decode", "encode"),
        *("selector_of", "signature_of", "type_name_of", *(f"bytes{size}" for size in range(1, 33))),
    },
    "storage": {
        *("Array", "DynArray", "Indirection", "Manager", "Root", "Slot", "TreeMap", "VLA"),
        *("allow_storage", "copy_to_memory", "inmem_allocate"),
    },
    "calldata": {"Address", "CalldataEncodable", "DecodingError", "decode", "encode", "to_str"},
    "wasi": {"get_balance", "get_self_balance", "gl_call", "storage_read", "storage_write"},
}


@pytest.mark.parametrize("name", SHOWN)
def test_a_module_of_gl_shows_just_the_names_of_the_reference(name: str) -> None:
    """Of those that are the library's own: modules, functions, classes and instances of its classes."""
    import operator

    module = operator.attrgetter(name)(gl)
    shown = {key: getattr(module, key) for key in dir(module) if not key.startswith("_")}
    ours = {key for key, value in shown.items() if _home(value).startswith("genlayer")}
    assert ours - WRITTEN_WITH == SHOWN[name]


def _home(value: Any) -> str:
    from types import ModuleType

    return value.__name__ if isinstance(value, ModuleType) else str(getattr(value, "__module__", ""))


def test_gl_and_basic_types_survive_pickling() -> None:
    import cloudpickle

    def closure() -> Any:
        return gl.vm.UserError, types.u8  # type: ignore[attr-defined]

    assert pickle.loads(cloudpickle.dumps(closure))() == (gl.vm.UserError, types.u8)  # type: ignore[attr-defined]
    error = gl.vm.UserError("m")
    assert pickle.loads(pickle.dumps(error)) == error
    assert (str(error), repr(gl.vm.Return(5))) == ("UserError(message='m')", "Return(calldata=5)")


def test_public_abi_numbers() -> None:
    assert [*public_abi.ResultCode] == [0, 1, 2, 3]
    assert public_abi.StorageType.LATEST_NON_FINAL.value == 2
    assert str(public_abi.SpecialMethod.GET_SCHEMA) == "#get-schema"


@pytest.mark.parametrize("name", ["exec_prompt", "get_webpage", "TreeMap"])
def test_names_of_older_libraries_say_what_replaced_them(name: str) -> None:
    with pytest.raises(AttributeError, match="this line has"):
        getattr(gl, name)


def test_message_outside_of_a_vm_says_so() -> None:
    with pytest.raises(AttributeError, match="running VM"):
        _ = gl.message


def test_picture_without_pil_names_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ImportError, match="Pillow"):
        _ = gl.nondet.Image(b"raw").pil

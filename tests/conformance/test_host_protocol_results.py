"""Result payloads (host-protocol 8 and 9)."""

from __future__ import annotations

import pytest

from genvm_wire.calldata import Value, decode
from genvm_wire.host_tables import ResultForm
from genvm_wire.results import (
    ResultCode,
    ResultError,
    RunResult,
    build,
    build_sub_result,
    parse,
    parse_sub_result,
    vm_error,
)
from genvm_wire.storage_layout import code_slot, page_key

CODE_CHANGE = ((page_key(code_slot("v0.2"), 0), b"\x05\0\0\0# {}\n".ljust(32, b"\0")),)
B1_DEPLOY = (
    "002e046461746100066576656e7473050b66696e6765727072696e7400046b696e643452657475726e0f73746f726167655f"
    "6368616e6765730d15a302e1ae23412792df6b6a98fb7c9839701fb8b02b6fc7ed022810f78346494685e700000000830205"
    "00000023207b7d0a0000000000000000000000000000000000000000000000"
)
B1_VM_ERROR = (
    "022e04646174615c657869745f636f64652031066576656e7473050b66696e6765727072696e7416066672616d65730d1604"
    "66756e63610b6d6f64756c655f6e616d653c63707974686f6e106d6f64756c655f696e7374616e63657306046b696e643c56"
    "6d4572726f720f73746f726167655f6368616e67657305"
)
B3_RETURN = (
    "0066096261636b74726163650004646174613912646174615f666565735f636f6e73756d65642e056576656e74010b6d6573"
    "736167655f666565010f6d6573736167655f72656365697074010d6e6f6e6465745f6f7574707574010773746f7261676501"
    "13646174615f666565735f72656d61696e696e671d81e8922681e8922681e8922609656d697373696f6e73050e6578656375"
    "74696f6e5f6861736883021111111111111111111111111111111111111111111111111111111111111111046b696e643452"
    "657475726e0f6c6c6d5f636f6e73756d7074696f6e01136e6f6e6465745f64697361677265656d656e74000e6e6f6e646574"
    "5f726573756c74730d1300100f73746f726167655f6368616e6765730d15a302e1ae23412792df6b6a98fb7c9839701fb8b0"
    "2b6fc7ed022810f78346494685e70000000083020500000023207b7d0a000000000000000000000000000000000000000000"
    "0000117761736d5f73746f72655f68617368657306"
)
FRAME: Value = {"frames": [{"func": 12, "module_name": "cpython"}], "module_instances": {}}

EXAMPLES = [
    pytest.param(
        RunResult(code=ResultCode.RETURN, data="hello"), ResultForm.A, "002c68656c6c6f", id="A return"
    ),
    pytest.param(
        vm_error("timeout"),
        ResultForm.A,
        "02160b66696e6765727072696e7400076d6573736167653c74696d656f7574",
        id="A vm error",
    ),
    pytest.param(
        RunResult(code=ResultCode.RETURN, data=None, storage_changes=CODE_CHANGE),
        ResultForm.B1,
        B1_DEPLOY,
        id="B1 deploy",
    ),
    pytest.param(
        RunResult(code=ResultCode.VM_ERROR, data="exit_code 1", fingerprint=FRAME),
        ResultForm.B1,
        B1_VM_ERROR,
        id="B1 vm error",
    ),
    pytest.param(
        RunResult(
            code=ResultCode.RETURN,
            data=7,
            storage_changes=CODE_CHANGE,
            nondet_results=(b"\x00\x10",),
            data_fees_remaining=(10_000_000,) * 3,
            execution_hash=b"\x11" * 32,
        ),
        ResultForm.B3,
        B3_RETURN,
        id="B3 return",
    ),
]


@pytest.mark.parametrize(("result", "form", "payload"), EXAMPLES)
def test_worked_payloads(result: RunResult, form: ResultForm, payload: str) -> None:
    """Section 8.4."""
    assert build(result, form).hex() == payload


@pytest.mark.parametrize(("result", "form", "payload"), EXAMPLES)
def test_worked_payloads_are_read_back(result: RunResult, form: ResultForm, payload: str) -> None:
    """Section 8.4."""
    parsed = parse(bytes.fromhex(payload), form)
    assert (parsed.code, parsed.data) == (result.code, result.data)
    assert parsed.storage_changes == result.storage_changes
    assert parsed.nondet_results == result.nondet_results


@pytest.mark.parametrize(
    ("form", "keys"),
    [
        (ResultForm.B1, "data events fingerprint kind storage_changes"),
        (
            ResultForm.B2,
            "data data_fees_remaining emissions execution_hash fingerprint kind nondet_disagreement "
            "nondet_results storage_changes",
        ),
        (
            ResultForm.B3,
            "backtrace data data_fees_consumed data_fees_remaining emissions execution_hash kind "
            "llm_consumption nondet_disagreement nondet_results storage_changes wasm_store_hashes",
        ),
        (
            ResultForm.C,
            "backtrace data data_fees_consumed data_fees_remaining emissions execution_hash kind "
            "llm_consumption nondet_disagreement nondet_results small_hash storage_changes wasm_store_hashes",
        ),
    ],
)
def test_every_form_has_exactly_its_keys(form: ResultForm, keys: str) -> None:
    """Section 8.1."""
    fields = decode(build(RunResult(code=ResultCode.RETURN, data=1), form)[1:])
    assert isinstance(fields, dict)
    assert list(fields) == keys.split()


@pytest.mark.parametrize(("code", "length"), [(ResultCode.VM_ERROR, 32), (ResultCode.INTERNAL_ERROR, 0)])
def test_hashes_are_empty_only_for_internal_errors(code: ResultCode, length: int) -> None:
    """Sections 8.1 and 8.5."""
    fields = decode(build(RunResult(code=code, data="x"), ResultForm.C)[1:])
    assert isinstance(fields, dict)
    assert [len(fields[key]) for key in ("small_hash", "execution_hash")] == [length, length]  # type: ignore[arg-type]


@pytest.mark.parametrize("code", [1, 2, 3])
@pytest.mark.parametrize("form", list(ResultForm))
def test_an_error_that_is_not_calldata_is_text(code: int, form: ResultForm) -> None:
    """Section 8: readers must survive it."""
    assert parse(bytes((code,)) + b"panicked at \xff", form).data == "panicked at \ufffd"


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param("", id="empty"),
        pytest.param("05", id="unknown code"),
        pytest.param("00ff", id="return without calldata"),
        pytest.param("0009", id="return without a map"),
        pytest.param("000e046b696e643c566d4572726f72", id="code and kind disagree"),
        pytest.param("000e0f73746f726167655f6368616e67657309", id="changes are no list"),
        pytest.param("000e0f73746f726167655f6368616e6765730d0d03", id="change is no pair"),
    ],
)
def test_broken_results_are_refused(payload: str) -> None:
    """Section 8.3."""
    with pytest.raises(ResultError):
        parse(bytes.fromhex(payload), ResultForm.B1)


@pytest.mark.parametrize(
    ("code", "data", "line", "raw"),
    [
        (ResultCode.RETURN, "hello", "v0.2", "002c68656c6c6f"),
        (ResultCode.USER_ERROR, "bad", "v0.2", "01626164"),
        (ResultCode.USER_ERROR, "bad", "v0.3", "011c626164"),
        (ResultCode.VM_ERROR, "timeout", "v0.3", "0274696d656f7574"),
    ],
)
def test_sub_results(code: ResultCode, data: str, line: str, raw: str) -> None:
    """Sections 9 and 3.5."""
    assert build_sub_result(code, data, line).hex() == raw
    assert parse_sub_result(bytes.fromhex(raw), line) == (code, data)


@pytest.mark.parametrize("raw", ["", "03", "00", "01ff"])
def test_broken_sub_results_are_refused(raw: str) -> None:
    """Section 9."""
    with pytest.raises(ResultError):
        parse_sub_result(bytes.fromhex(raw), "v0.2")

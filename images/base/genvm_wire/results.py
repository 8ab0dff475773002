"""Results of a run: the payload of CONSUME_RESULT (host-protocol 8) and nondet sub-results (9)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from hashlib import sha3_256

from genvm_wire.calldata import MAX_LENGTH, CalldataError, Value, decode, encode
from genvm_wire.host_tables import ResultForm
from genvm_wire.later_names import renamed
from genvm_wire.line_rules import LINE_RULES
from genvm_wire.records import field, record


class ResultCode(IntEnum):
    """The first byte of a result (section 11)."""

    RETURN = 0
    USER_ERROR = 1
    VM_ERROR = 2
    INTERNAL_ERROR = 3
    FATAL_VM_ERROR = 4


KINDS: Mapping[ResultCode, str] = {
    ResultCode.RETURN: "Return",
    ResultCode.USER_ERROR: "UserError",
    ResultCode.VM_ERROR: "VmError",
    ResultCode.INTERNAL_ERROR: "InternalError",
    ResultCode.FATAL_VM_ERROR: "FatalVmError",
}
NO_FEES: Mapping[str, Value] = {
    "event": 0,
    "message_fee": 0,
    "message_receipt": 0,
    "nondet_output": 0,
    "storage": 0,
}


class ResultError(ValueError):
    """A result payload that cannot be read."""


@record
class RunResult:
    """What a run came to. Fields a form does not carry are left out when building, defaulted when parsing.

    `data`: the returned value, a user error's value (text up to v0.2), a VM error's code, an internal
    error's text. `storage_changes`: (36-byte page key, whole pages) in key order. `events`: topics, then the
    encoded blob. `fingerprint` serves A, B1 and B2; `backtrace` and `wasm_store_hashes` the later forms.
    """

    code: ResultCode
    data: Value
    storage_changes: tuple[tuple[bytes, bytes], ...] = ()
    events: tuple[tuple[bytes, ...], ...] = ()
    fingerprint: Value = None
    backtrace: Value = None
    wasm_store_hashes: Value = field(default_factory=dict)
    emissions: tuple[Value, ...] = ()
    nondet_results: tuple[bytes, ...] = ()
    nondet_disagreement: int | None = None
    data_fees_remaining: tuple[int, ...] = ()
    data_fees_consumed: Mapping[str, Value] = field(default_factory=lambda: dict(NO_FEES))
    llm_consumption: int = 0
    subvm_hashes: bytes = bytes(32)
    execution_hash: bytes | None = None
    """null: computed from the rest when the result is built"""

    @property
    def succeeded(self) -> bool:
        return self.code is ResultCode.RETURN

    @property
    def kind(self) -> str:
        return KINDS[self.code]


def vm_error(text: str) -> RunResult:
    """The result of a run that the VM ended; `text` is a VM error code (section 11)."""
    return RunResult(code=ResultCode.VM_ERROR, data=text)


def build(result: RunResult, form: ResultForm, *, later_names: bool = False) -> bytes:
    """The payload of CONSUME_RESULT. Raises CalldataError when `data` has no calldata form.

    `later_names`: form C as nodes read it that call the message's moment `transaction_timestamp`.
    """
    code = result.code
    if form is not ResultForm.C and code is ResultCode.FATAL_VM_ERROR:
        code = ResultCode.VM_ERROR
    if form is ResultForm.A:
        return bytes((code,)) + _plain(result, code)
    fields: dict[str, Value] = {
        "kind": KINDS[code],
        "data": result.data,
        "storage_changes": _changes(result),
    }
    if form in {ResultForm.B1, ResultForm.B2}:
        fields["fingerprint"] = result.fingerprint
    if form is ResultForm.B1:
        fields["events"] = [list(event) for event in result.events]
    else:
        fields |= _later_fields(result, form)
    if later_names and form is ResultForm.C:
        fields = renamed(fields)
        if fields["execution_hash"] and result.execution_hash is None:
            fields["execution_hash"] = sha3_256(encode(renamed(_hashed(result, form)))).digest()
    return bytes((code,)) + encode(fields)


def _plain(result: RunResult, code: ResultCode) -> bytes:
    """Calldata, but for an internal error, whose text nodes of this form show as it is."""
    if code is ResultCode.INTERNAL_ERROR:
        return _message(result.data).encode("utf-8", "replace")
    if result.succeeded:
        return encode(result.data)
    fields: dict[str, Value] = {"fingerprint": result.fingerprint, "message": _message(result.data)}
    if not isinstance(result.data, str):
        # These nodes know texts alone, and ignore what they do not know.
        fields["data"] = result.data
    return encode(fields)


def _message(data: Value) -> str:
    return data if isinstance(data, str) else encode(data).hex()


def _changes(result: RunResult) -> list[Value]:
    return [[key, value] for key, value in result.storage_changes]


def _later_fields(result: RunResult, form: ResultForm) -> dict[str, Value]:
    fields: dict[str, Value] = {
        "emissions": list(result.emissions),
        "execution_hash": _execution_hash(result, form),
        "nondet_results": list(result.nondet_results),
        "nondet_disagreement": result.nondet_disagreement,
    }
    if form is ResultForm.B2:
        return fields | {"data_fees_remaining": sum(result.data_fees_remaining)}
    fields |= {
        "backtrace": result.backtrace,
        "wasm_store_hashes": result.wasm_store_hashes,
        "data_fees_remaining": list(result.data_fees_remaining),
        "data_fees_consumed": dict(result.data_fees_consumed),
        "llm_consumption": result.llm_consumption,
    }
    if form is ResultForm.C:
        fields["small_hash"] = _small_hash(result)
    return fields


def _hash_kind(result: RunResult) -> str:
    # Not the spelling of `kind`, and shared by all errors that are not the user's: section 8.5.
    return result.kind if result.code in {ResultCode.RETURN, ResultCode.USER_ERROR} else "VMError"


def _small_hash(result: RunResult) -> bytes:
    if result.code is ResultCode.INTERNAL_ERROR:
        return b""
    fields: dict[str, Value] = {
        "kind": _hash_kind(result),
        "result": result.data,
        "subvm_hashes": result.subvm_hashes,
        "wasm_store_hashes": result.wasm_store_hashes,
    }
    return sha3_256(encode(fields)).digest()


def _execution_hash(result: RunResult, form: ResultForm) -> bytes:
    if result.execution_hash is not None:
        return result.execution_hash
    if result.code is ResultCode.INTERNAL_ERROR:
        return b""
    return sha3_256(encode(_hashed(result, form))).digest()


def _hashed(result: RunResult, form: ResultForm) -> dict[str, Value]:
    fields: dict[str, Value] = {
        "backtrace": result.backtrace,
        "data": result.data,
        "data_fees_consumed": dict(result.data_fees_consumed),
        "data_fees_remaining": list(result.data_fees_remaining),
        "kind": _hash_kind(result),
        "storage_changes": _changes(result),
        "subvm_hashes": result.subvm_hashes,
        "wasm_store_hashes": result.wasm_store_hashes,
    }
    if form is ResultForm.C:
        fields["emissions"] = list(result.emissions)
    return fields


def parse(payload: bytes, form: ResultForm, *, max_items: int = MAX_LENGTH) -> RunResult:
    """Read a payload. An error's rest that is no calldata is taken as text. Raises ResultError.

    Of the map forms only what a node acts on is read; unknown keys are ignored.
    """
    if not payload:
        raise ResultError("the result is empty")
    try:
        code = ResultCode(payload[0])
    except ValueError:
        raise ResultError(f"unknown result code {payload[0]}") from None
    text = payload[1:].decode("utf-8", "replace")
    if form is ResultForm.A and code is ResultCode.INTERNAL_ERROR:
        return RunResult(code=code, data=text)
    try:
        rest = decode(payload[1:], max_items=max_items)
    except CalldataError as error:
        if code is ResultCode.RETURN:
            raise ResultError(f"the returned value is not calldata: {error}") from None
        return RunResult(code=code, data=text)
    if form is ResultForm.A:
        return _parse_plain(code, rest)
    return _parse_map(code, rest)


def _parse_plain(code: ResultCode, rest: Value) -> RunResult:
    if code is ResultCode.RETURN or not isinstance(rest, dict) or "message" not in rest:
        return RunResult(code=code, data=rest)
    data = rest.get("data", rest["message"])
    return RunResult(code=code, data=data, fingerprint=rest.get("fingerprint"))


def _parse_map(code: ResultCode, rest: Value) -> RunResult:
    if not isinstance(rest, dict):
        if code is ResultCode.RETURN:
            raise ResultError("the result is not a map")
        return RunResult(code=code, data=rest)
    if rest.get("kind", KINDS[code]) != KINDS[code]:
        raise ResultError(f"result code {int(code)} does not go with kind {rest['kind']!r:.40}")
    disagreement = rest.get("nondet_disagreement")
    return RunResult(
        code=code,
        data=rest.get("data"),
        storage_changes=tuple(_pair(item) for item in _list(rest, "storage_changes")),
        events=tuple(_bytes_tuple(item, "events") for item in _list(rest, "events")),
        fingerprint=rest.get("fingerprint"),
        backtrace=rest.get("backtrace"),
        wasm_store_hashes=rest.get("wasm_store_hashes", {}),
        emissions=tuple(_list(rest, "emissions")),
        nondet_results=_bytes_tuple(_list(rest, "nondet_results"), "nondet_results"),
        nondet_disagreement=disagreement if isinstance(disagreement, int) else None,
    )


def _list(fields: dict[str, Value], key: str) -> list[Value]:
    value = fields.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise ResultError(f"{key} is not a list")
    return value


def _bytes_tuple(value: Value, key: str) -> tuple[bytes, ...]:
    if not isinstance(value, list):
        raise ResultError(f"an entry of {key} is not a list")
    found = tuple(item for item in value if isinstance(item, bytes))
    if len(found) != len(value):
        raise ResultError(f"an entry of {key} is not made of bytes")
    return found


def _pair(value: Value) -> tuple[bytes, bytes]:
    pair = _bytes_tuple(value, "storage_changes")
    if len(pair) != 2:
        raise ResultError("an entry of storage_changes is not a pair")
    return pair[0], pair[1]


def build_sub_result(code: ResultCode, data: Value, line: str) -> bytes:
    """The bytes of a nondet block's outcome (section 9). Up to v0.2 error data is text.

    Raises ResultError for the codes that never appear here, CalldataError when `data` has no form.
    """
    if code > ResultCode.VM_ERROR:
        raise ResultError(f"a nondet block never ends with code {int(code)}")
    is_text = _is_text(code, line)
    return bytes((code,)) + (_message(data).encode("utf-8", "replace") if is_text else encode(data))


def _is_text(code: ResultCode, line: str) -> bool:
    is_user_error = code is ResultCode.USER_ERROR
    return code is ResultCode.VM_ERROR or (is_user_error and not LINE_RULES[line].user_errors_are_values)


def parse_sub_result(raw: bytes, line: str) -> tuple[ResultCode, Value]:
    """Code and data of a nondet block's outcome. Raises ResultError."""
    if not raw or raw[0] > ResultCode.VM_ERROR:
        raise ResultError("a nondet result begins with 0, 1 or 2")
    code = ResultCode(raw[0])
    try:
        if _is_text(code, line):
            return code, raw[1:].decode()
        return code, decode(raw[1:])
    except (UnicodeDecodeError, CalldataError) as error:
        raise ResultError(f"a nondet result is malformed: {error}") from None

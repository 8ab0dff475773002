"""The shapes of `gl_call` payloads (spec: contract-runtime.md, 6; contract-sdk.md, 3.2).

A payload is checked as a whole: a missing or an extra key, or a value of another type, makes the request
invalid.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from genvm_executor.sdk_errno import SdkErrno, SdkRefused
from genvm_wire.address import Address
from genvm_wire.calldata import Value

Check = Callable[[Value], bool]
MAX_TOPICS = 4
MAX_IMAGES = 2
_U256 = 2**256


def is_text(value: Value) -> bool:
    return isinstance(value, str)


def is_bytes(value: Value) -> bool:
    return isinstance(value, bytes)


def is_bool(value: Value) -> bool:
    return isinstance(value, bool)


def is_any(_value: Value) -> bool:
    return True


def is_null(value: Value) -> bool:
    return value is None


def is_map(value: Value) -> bool:
    return isinstance(value, dict)


def is_address(value: Value) -> bool:
    return isinstance(value, Address)


def is_u256(value: Value) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _U256


def is_on(value: Value) -> bool:
    return value in {"finalized", "accepted"} if isinstance(value, str) else False


def is_state(value: Value) -> bool:
    return is_u256(value) and value in {0, 1, 2}


def is_topics(value: Value) -> bool:
    return (
        isinstance(value, list)
        and len(value) <= MAX_TOPICS
        and all(isinstance(topic, bytes) and len(topic) == 32 for topic in value)
    )


def is_images(value: Value) -> bool:
    return isinstance(value, list) and len(value) <= MAX_IMAGES and all(map(is_bytes, value))


def is_headers(value: Value) -> bool:
    return isinstance(value, dict) and all(map(is_bytes, value.values()))


def is_body(value: Value) -> bool:
    return value is None or is_bytes(value)


@dataclass(frozen=True, slots=True)
class Record:
    """A map: `required` keys must be there, `optional` ones may, others may not."""

    required: Mapping[str, Check]
    optional: Mapping[str, Check]

    def __call__(self, value: Value) -> bool:
        if not isinstance(value, dict) or not self.required.keys() <= value.keys():
            return False
        checks = {**self.optional, **self.required}
        return all(key in checks and checks[key](item) for key, item in value.items())


def record(optional: Mapping[str, Check] | None = None, /, **required: Check) -> Record:
    return Record(required, optional or {})


def is_trace(value: Value) -> bool:
    return (
        value == "RuntimeMicroSec" or record(Message=is_text)(value) or record(RuntimeMicroSec=is_null)(value)
    )


def is_template(value: Value) -> bool:
    if not isinstance(value, dict) or not all(map(is_text, value.values())):
        return False
    keys = {
        "EqComparative": {"template", "leader_answer", "validator_answer", "principle"},
        "EqNonComparativeValidator": {"template", "task", "criteria", "input", "output"},
        "EqNonComparativeLeader": {"template", "task", "criteria", "input"},
    }
    return value.keys() == keys.get(str(value.get("template")))


PAYLOADS: dict[str, Check] = {
    "Return": is_any,
    "Rollback": is_text,
    "UserError": is_any,
    "CallContract": record(address=is_address, calldata=is_any, state=is_state),
    "PostMessage": record(address=is_address, calldata=is_any, value=is_u256, on=is_on),
    "DeployContract": record(calldata=is_any, code=is_bytes, value=is_u256, on=is_on, salt_nonce=is_u256),
    "EthSend": record(address=is_address, calldata=is_bytes, value=is_u256),
    "EthCall": record(address=is_address, calldata=is_bytes),
    "EmitEvent": record(topics=is_topics, blob=is_map),
    "RunNondet": record(data_leader=is_bytes, data_validator=is_bytes),
    "Sandbox": record(data=is_bytes, allow_write_ops=is_bool),
    "WebRender": record({"wait_after_loaded": is_text}, mode=is_text, url=is_text),
    "WebRequest": record({"sign": is_bool}, method=is_text, url=is_text, headers=is_headers, body=is_body),
    "ExecPrompt": record(prompt=is_text, response_format=is_text, images=is_images),
    "ExecPromptTemplate": is_template,
    "Trace": is_trace,
}
_ONLY_V02 = frozenset({"Rollback"})
_ONLY_V03 = frozenset({"UserError"})


def check_payload(contract_line: str, name: str, payload: Value) -> None:
    """Raises SdkRefused `inval`, also for requests of another line."""
    check = PAYLOADS.get(name)
    if name in (_ONLY_V03 if contract_line == "v0.2" else _ONLY_V02):
        check = None
    if check is None or not check(payload):
        raise SdkRefused(SdkErrno.INVAL)

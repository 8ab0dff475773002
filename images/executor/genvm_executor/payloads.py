"""The shapes of `gl_call` payloads (spec: contract-runtime 6; contract-sdk 3.2).

A payload is checked as a whole: a missing or an extra key, or a value of another type, makes the request
invalid.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from genvm_executor.entry_payload import is_call, is_deployment
from genvm_wire import records
from genvm_wire.address import Address
from genvm_wire.calldata import Unread, Value
from genvm_wire.unsigned import U256_MAX, is_unsigned

Check = Callable[[Value], bool]
MAX_TOPICS = 4
MAX_IMAGES = 2
METHODS = ("GET", "POST", "HEAD", "DELETE", "OPTIONS", "PATCH", "PUT")
_WAIT = re.compile(r"[0-9]{1,10}(ms|s)", re.ASCII)


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


def is_blob(value: Value | Unread) -> bool:
    return isinstance(value, Unread) and value.is_map


def is_address(value: Value) -> bool:
    return isinstance(value, Address)


def is_u256(value: Value) -> bool:
    return is_unsigned(value, U256_MAX)


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


def is_counts(value: Value) -> bool:
    return isinstance(value, list) and all(map(is_u256, value))


def is_texts(value: Value) -> bool:
    return isinstance(value, list) and all(map(is_text, value))


def is_images(value: Value) -> bool:
    return isinstance(value, list) and len(value) <= MAX_IMAGES and all(map(is_bytes, value))


def is_headers(value: Value) -> bool:
    return isinstance(value, dict) and all(map(is_bytes, value.values()))


def is_one_of(*texts: str) -> Check:
    return lambda value: isinstance(value, str) and value in texts


def is_wait(value: Value) -> bool:
    return isinstance(value, str) and _WAIT.fullmatch(value) is not None


def is_body(value: Value) -> bool:
    return value is None or is_bytes(value)


@records.record
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
    "CallContract": record(address=is_address, calldata=is_any, state=is_state),
    "PostMessage": record(address=is_address, calldata=is_any, value=is_u256, on=is_on),
    "DeployContract": record(calldata=is_any, code=is_bytes, value=is_u256, on=is_on, salt_nonce=is_u256),
    "EthSend": record(address=is_address, calldata=is_bytes, value=is_u256),
    "EthCall": record(address=is_address, calldata=is_bytes),
    "EmitEvent": record(topics=is_topics, blob=is_blob),
    "RunNondet": record(data_leader=is_bytes, data_validator=is_bytes),
    "Sandbox": record(data=is_bytes, allow_write_ops=is_bool),
    "WebRender": record(
        {"wait_after_loaded": is_wait}, mode=is_one_of("text", "html", "screenshot"), url=is_text
    ),
    "WebRequest": record(
        {"sign": is_bool}, method=is_one_of(*METHODS), url=is_text, headers=is_headers, body=is_body
    ),
    "ExecPrompt": record(prompt=is_text, response_format=is_one_of("text", "json"), images=is_images),
    "ExecPromptTemplate": is_template,
    "Trace": is_trace,
}
FEE_PARAMS = (
    "leader_timeunits_allocation", "validator_timeunits_allocation", "execution_budget_per_round",
    "max_price_gen_per_time_unit", "storage_fee_max_gas_price", "receipt_fee_max_gas_price",
)  # fmt: skip
_IS_FEE_PARAMS = record(rotations=is_counts, **dict.fromkeys(FEE_PARAMS, is_u256))
_FEES: Mapping[str, Check] = {
    "use_balance": is_bool,
    "fee_params": lambda value: value is None or _IS_FEE_PARAMS(value),
}
_CATCH: Mapping[str, Check] = {"catch_vm_error": is_bool}
_CUSTOM_RUNNERS: Mapping[str, Check] = {"custom_runners": lambda value: value is None or is_texts(value)}
LATER_PAYLOADS: dict[str, Check] = {
    **{name: check for name, check in PAYLOADS.items() if name != "Rollback"},
    "UserError": is_any,
    "CallContract": record(_CATCH, address=is_address, calldata=is_call, state=is_state),
    "PostMessage": record(_FEES, address=is_address, calldata=is_call, value=is_u256, on=is_on),
    "DeployContract": record(
        _FEES, calldata=is_deployment, code=is_bytes, value=is_u256, on=is_on, salt_nonce=is_u256
    ),
    "RunNondet": record(
        {**_CATCH, **_CUSTOM_RUNNERS, "runner": is_text}, data_leader=is_bytes, data_validator=is_bytes
    ),
    "Sandbox": record(
        {
            **_CUSTOM_RUNNERS,
            "runner": is_text,
            "allow_register_runners": is_bool,
            "changes_on_error": is_one_of("inherit"),
        },
        data=is_bytes,
        allow_write_storage=is_bool,
        allow_send_messages=is_bool,
    ),
    "RegisterRunner": record(code=is_bytes),
    "MapFile": record(runner=is_text, path_in_runner=is_text, path_in_vfs=is_text),
    "Yield": is_null,
    "GetTimestamp": is_null,
}
"""From v0.3 on, under the names that its first snapshots had; `in_first_spelling` reads the later ones."""

"""What a contract may be called with (spec: contract-runtime 7.1).

The line up to v0.2 leaves it to the contract; from v0.3 on the executor checks it. Each has its own key for
the method, and whoever calls may know only the other's.
"""

from __future__ import annotations

from genvm_wire.calldata import CalldataError, Unread, Value, decode, encode
from genvm_wire.keccak import keccak256

METHOD, ARGS, KWARGS = "", "args", "kwargs"
OLD_METHOD = "method"
MAX_ITEMS = 1_000_000
UNNAMED_KEY = bytes(32)


def with_method_at(own: str, calldata: bytes) -> bytes:
    """A payload with its method under a line's key, also where it came under the other's (section 2.2)."""
    foreign = METHOD if own == OLD_METHOD else OLD_METHOD
    if not _may_have(foreign, calldata):
        return calldata
    try:
        value = decode(calldata, max_items=MAX_ITEMS)
    except CalldataError:
        return calldata
    if not isinstance(value, dict) or foreign not in value or own in value:
        return calldata
    return encode({own if key == foreign else key: item for key, item in value.items()})


def _may_have(key: str, calldata: bytes) -> bool:
    """Whether to look for a key at all: the empty one comes first, and most payloads have no such thing."""
    return calldata[1:2] == b"\0" if key == METHOD else OLD_METHOD.encode() in calldata


def is_call(value: Value | Unread) -> bool:
    """Whether v0.3 takes this as a call's payload."""
    if isinstance(value, Unread):
        value = value.outline
    if not isinstance(value, dict) or not value.keys() <= {METHOD, ARGS, KWARGS}:
        return False
    return (
        isinstance(value.get(METHOD, ""), str)
        and isinstance(value.get(ARGS, []), list)
        and isinstance(value.get(KWARGS, {}), dict)
    )


def is_deployment(value: Value | Unread) -> bool:
    """Whether v0.3 takes this as a constructor's payload: it names no method."""
    if isinstance(value, Unread):
        value = value.outline
    return is_call(value) and isinstance(value, dict) and METHOD not in value


def is_entry(calldata: bytes, is_init: bool) -> bool:
    """Whether v0.3 starts a contract with these bytes."""
    try:
        value = decode(calldata, max_items=MAX_ITEMS)
    except CalldataError:
        return False
    return is_deployment(value) if is_init else is_call(value)


def call_key(calldata: Value) -> bytes:
    """The 32 bytes that stand for a message's method (section 7.4)."""
    name = calldata.get(METHOD) if isinstance(calldata, dict) else None
    if not isinstance(name, str):
        return UNNAMED_KEY
    raw = name.encode("utf-8")
    if len(raw) < 32:
        return raw.ljust(32, b"\0")
    digest = bytearray(keccak256(raw))
    digest[-1] |= 1
    return bytes(digest)

"""Whether a result that comes through the manager is one for the newest clients (host-protocol 8.3)."""

from __future__ import annotations

from genvm_wire import calldata
from genvm_wire.calldata import LONGEST_TEXT, CalldataError
from genvm_wire.results import KINDS, ResultCode

HASHES = ("execution_hash", "small_hash")
HASH_BYTES = 32
MOST_VALUES = 2_000_000
"""Items of a result's lists and maps: many times what a node can take, and seconds to look through."""


class BrokenResult(Exception):
    """The payload contradicts itself: the run counts as crashed."""


def checked_result(payload: bytes) -> bytes:
    """The payload, with a fatal VM error turned into a plain one. Raises BrokenResult.

    It is a contract's, and costs time with what that has put into it: not for the loop.
    """
    if not payload or payload[0] not in KINDS:
        raise BrokenResult("the result begins with no known code")
    code = ResultCode(payload[0])
    said = memoryview(payload)[1:]
    try:
        if code is ResultCode.FATAL_VM_ERROR:
            fields = calldata.decode(said, max_items=MOST_VALUES, max_text=LONGEST_TEXT)
        else:
            fields = calldata.outline(said, max_items=MOST_VALUES)
    except CalldataError as error:
        raise BrokenResult(f"the result is not calldata: {error}") from None
    if not isinstance(fields, dict) or fields.get("kind") != KINDS[code]:
        raise BrokenResult(f"the result's kind does not go with its code {int(code)}")
    if code is not ResultCode.INTERNAL_ERROR:
        for name in HASHES:
            value = fields.get(name)
            if not isinstance(value, bytes) or len(value) != HASH_BYTES:
                raise BrokenResult(f"the result's {name} is not {HASH_BYTES} bytes")
    if code is not ResultCode.FATAL_VM_ERROR:
        return payload
    plain = ResultCode.VM_ERROR
    return bytes((plain,)) + calldata.encode(fields | {"kind": KINDS[plain]})

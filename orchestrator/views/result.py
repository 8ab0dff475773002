"""A run's result for people to read: decoded, and never more of it than a page shows. Pure."""

from __future__ import annotations

from typing import Any

from genvm_wire.calldata import CalldataError, decode, to_text
from genvm_wire.results import KINDS, ResultCode

LONGEST = 256 * 1024
"""Bytes of a result that are decoded; storage that a run changed travels in it and may be larger."""
SHOWN = 16_000
"""Characters of its text."""
BYTES_SHOWN = 256


def of_result(result: bytes | None) -> dict[str, Any] | None:
    """`kind`: as in the protocol; `text`: the value in calldata's text form.

    `trouble`: why it is hexadecimal instead.
    """
    if not result:
        return None
    try:
        kind = KINDS[ResultCode(result[0])]
    except ValueError:
        return _raw("unknown", result, "its first byte is none of the known kinds")
    if len(result) > LONGEST:
        return _raw(kind, result[1:], f"it has more than {LONGEST} bytes")
    try:
        return {"kind": kind, "text": to_text(decode(result[1:]), SHOWN), "trouble": None}
    except CalldataError as error:
        return _raw(kind, result[1:], f"it cannot be decoded: {error}")


def _raw(kind: str, data: bytes, trouble: str) -> dict[str, Any]:
    more = "…" if len(data) > BYTES_SHOWN else ""
    return {"kind": kind, "text": data[:BYTES_SHOWN].hex() + more, "trouble": trouble}

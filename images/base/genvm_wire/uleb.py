"""ULEB128 numbers of any size in linear time (calldata 2.1 and 5).

Shifting a growing integer once per byte is quadratic: one hostile mebibyte would hold a process for seconds.
Long numbers are therefore packed eight 7-bit groups at a time with whole-number masks.
"""

from __future__ import annotations

import re
import sys

_NUMBER = re.compile(rb"[\x80-\xff]*[\x00-\x7f]")
_SHORT = 48
NUMBER_TOO_LONG = "number_too_long"


class UlebError(ValueError):
    """Not one ULEB128 number; `reason` is `truncated_uleb`, `non_minimal_uleb` or NUMBER_TOO_LONG."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def read(data: bytes, start: int, most: int = sys.maxsize) -> tuple[int, int]:
    """The number of at most `most` bytes at `start`, and the offset after it. Raises UlebError."""
    match = _NUMBER.match(data, start, min(start + most, len(data)))
    if match is None:
        raise UlebError("truncated_uleb" if len(data) - start <= most else NUMBER_TOO_LONG)
    end = match.end()
    if data[end - 1] == 0 and end - start > 1:
        raise UlebError("non_minimal_uleb")
    if end - start > _SHORT:
        return _join(data[start:end]), end
    number = 0
    for byte in data[start:end][::-1]:
        number = number << 7 | byte & 0x7F
    return number, end


def write(number: int) -> bytes:
    """The shortest form of a number ≥ 0."""
    if number < 0x80:
        return bytes((number,))
    if number.bit_length() > _SHORT * 7:
        return _split(number)
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _lanes(pattern: int, count: int) -> int:
    return int.from_bytes(pattern.to_bytes(8, "little") * count, "little")


def _join(groups: bytes) -> int:
    count = -(-len(groups) // 8)
    x = int.from_bytes(groups, "little") & _lanes(0x7F7F7F7F7F7F7F7F, count)
    x = x & _lanes(0x007F007F007F007F, count) | (x & _lanes(0x7F007F007F007F00, count)) >> 1
    x = x & _lanes(0x00003FFF00003FFF, count) | (x & _lanes(0x3FFF00003FFF0000, count)) >> 2
    x = x & _lanes(0x000000000FFFFFFF, count) | (x & _lanes(0x0FFFFFFF00000000, count)) >> 4
    packed = bytearray(x.to_bytes(count * 8, "little"))
    del packed[7::8]
    return int.from_bytes(packed, "little")


def _split(number: int) -> bytes:
    length = -(-number.bit_length() // 7)
    count = -(-length // 8)
    raw = number.to_bytes(count * 7, "little")
    spread = bytearray(count * 8)
    for lane in range(7):
        spread[lane::8] = raw[lane::7]
    x = int.from_bytes(spread, "little")
    x = x & _lanes(0x000000000FFFFFFF, count) | x << 4 & _lanes(0x0FFFFFFF00000000, count)
    x = x & _lanes(0x00003FFF00003FFF, count) | x << 2 & _lanes(0x3FFF00003FFF0000, count)
    x = x & _lanes(0x007F007F007F007F, count) | x << 1 & _lanes(0x7F007F007F007F00, count)
    x |= _lanes(0x8080808080808080, count)
    out = bytearray(x.to_bytes(count * 8, "little")[:length])
    out[-1] &= 0x7F
    return bytes(out)

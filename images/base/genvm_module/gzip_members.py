"""What a server has packed as gzip, undone as it arrives and within a bound."""

from __future__ import annotations

import zlib

GZIP_WINDOW = 31
GZIP_NAMES = frozenset({"gzip", "x-gzip"})
"""What a `Content-Encoding` calls it (RFC 9110, 8.4.1.3)."""
MOST_MEMBERS = 4096
"""Of a packed body: each costs a decoder, and one with nothing in it adds nothing to what is counted."""


class BodyBroken(Exception):
    """The compressed form is not what its header says."""


class GzipMembers:
    """Concatenated gzip members; output is bounded per call, so that a small input cannot unfold at once."""

    def __init__(self) -> None:
        self._decoder = zlib.decompressobj(GZIP_WINDOW)
        self._begun = False
        self._members = 0

    def feed(self, data: bytes, room: int) -> bytes:
        """What it unfolds to, the first `room` bytes of it; the rest is gone. Raises BodyBroken."""
        output = bytearray()
        while data and len(output) < room:
            self._begun = True
            try:
                output += self._decoder.decompress(data, room - len(output))
            except zlib.error as error:
                raise BodyBroken(str(error)) from None
            if self._decoder.eof:
                self._members += 1
                if self._members > MOST_MEMBERS:
                    raise BodyBroken(f"more than {MOST_MEMBERS} packed parts")
                data = self._decoder.unused_data
                self._decoder = zlib.decompressobj(GZIP_WINDOW)
                self._begun = bool(data)
            else:
                data = self._decoder.unconsumed_tail
        return bytes(output)

    def finish(self) -> None:
        """There is no more. Raises BodyBroken where there should be."""
        if self._begun:
            raise BodyBroken("the compressed body ends too early")

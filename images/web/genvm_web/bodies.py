"""Reading an answer's body: never more than the limit, counted after decompression (modules.md, 3.3)."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator

GZIP_WINDOW = 31
GZIP_NAMES = frozenset({b"gzip", b"x-gzip"})
PLAIN_NAMES = frozenset(
    {
        *(b"", b"identity", b"none", b"null", b"plain", b"text", b"binary", b"7bit", b"8bit", b"chunked"),
        *(
            b"utf-8",
            b"utf8",
            b"us-ascii",
            b"iso-8859-1",
            b"windows-1251",
            b"windows-1252",
            b"gbk",
            b"shift_jis",
        ),
    }
)
"""Some servers write their charset, or that there is no packing, where the packing stands."""


class BodyTooLarge(Exception):
    """There is more than the limit; what was read is gone."""


class BodyBroken(Exception):
    """The compressed form is not what its header says."""


async def read_body(chunks: AsyncIterator[bytes], *, gzip: bool, limit: int) -> bytes:
    """All of `chunks`, decompressed if `gzip`, at most `limit` bytes. Raises BodyTooLarge, BodyBroken."""
    body = bytearray()
    if not gzip:
        async for chunk in chunks:
            body += chunk
            if len(body) > limit:
                raise BodyTooLarge
        return bytes(body)
    decoder = _Gzip()
    async for chunk in chunks:
        body += decoder.feed(chunk, limit + 1 - len(body))
        if len(body) > limit:
            raise BodyTooLarge
    decoder.finish()
    return bytes(body)


class _Gzip:
    """Concatenated gzip members; output is bounded per call, so that a small input cannot unfold at once."""

    def __init__(self) -> None:
        self._decoder = zlib.decompressobj(GZIP_WINDOW)
        self._begun = False

    def feed(self, data: bytes, room: int) -> bytes:
        output = bytearray()
        while data and len(output) < room:
            self._begun = True
            try:
                output += self._decoder.decompress(data, room - len(output))
            except zlib.error as error:
                raise BodyBroken(str(error)) from None
            if self._decoder.eof:
                data = self._decoder.unused_data
                self._decoder = zlib.decompressobj(GZIP_WINDOW)
                self._begun = bool(data)
            else:
                data = self._decoder.unconsumed_tail
        return bytes(output)

    def finish(self) -> None:
        if self._begun:
            raise BodyBroken("the compressed body ends too early")

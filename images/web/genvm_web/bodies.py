"""Reading an answer's body: never more than the limit, counted after decompression (modules 3.3)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable

from genvm_module.unpacking import GZIP_NAMES, MOST_TIMES, Packing, read_within

PLAIN_NAMES = frozenset(
    {
        *("", "identity", "none", "null", "plain", "text", "binary", "7bit", "8bit", "chunked"),
        # How an object was uploaded; stores of objects go on saying it when it is fetched.
        "aws-chunked",
        *("utf-8", "utf8", "us-ascii", "iso-8859-1", "windows-1251", "windows-1252", "gbk", "shift_jis"),
    }
)
"""Some servers write their charset, or that there is no packing, where the packing stands."""
UNPACKED_ON_THE_WAY = frozenset({"", "chunked", "identity"})


def times_packed(content: Iterable[str], transfer: Iterable[str]) -> int | None:
    """How often a body is said to be packed as gzip; None: in another way, or too often.

    From the values of all `Content-Encoding` and `Transfer-Encoding` headers.
    """
    # A media type there says nothing of packing either.
    names = [name for name in _names(content) if name not in PLAIN_NAMES and "/" not in name]
    undone = GZIP_NAMES.issuperset(names) and UNPACKED_ON_THE_WAY.issuperset(_names(transfer))
    return len(names) if undone and len(names) <= MOST_TIMES else None


def _names(values: Iterable[str]) -> list[str]:
    return [name.strip().lower() for value in values for name in value.split(",")]


class BodyTooLarge(Exception):
    """There is more than the limit; what was read is gone."""


async def read_body(chunks: AsyncIterator[bytes], *, packed: int, limit: int) -> bytes:
    """All of `chunks`, unpacked where they are `packed` so many times, at most `limit` bytes.

    Raises BodyTooLarge, BodyBroken.
    """
    if packed:
        body = await read_within(chunks, Packing.GZIP, limit, times=packed)
    else:
        body = await read_within(chunks, None, limit)
    if len(body) > limit:
        raise BodyTooLarge
    return body

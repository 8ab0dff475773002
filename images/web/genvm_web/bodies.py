"""Reading an answer's body: never more than the limit, counted after decompression (modules 3.3)."""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator, Iterable

from genvm_module import unpacking
from genvm_module.unpacking import GZIP_NAMES, read_within

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


class Packing(enum.Enum):
    """How a body is packed."""

    NONE = "none"
    GZIP = "gzip"
    OTHER = "other"


def packing_of(content: Iterable[str], transfer: Iterable[str]) -> Packing:
    """From the values of all `Content-Encoding` and `Transfer-Encoding` headers."""
    # A media type there says nothing of packing either.
    names = [name for name in _names(content) if name not in PLAIN_NAMES and "/" not in name]
    if (
        len(names) > 1
        or not GZIP_NAMES.issuperset(names)
        or not UNPACKED_ON_THE_WAY.issuperset(_names(transfer))
    ):
        return Packing.OTHER
    return Packing.GZIP if names else Packing.NONE


def _names(values: Iterable[str]) -> list[str]:
    return [name.strip().lower() for value in values for name in value.split(",")]


class BodyTooLarge(Exception):
    """There is more than the limit; what was read is gone."""


async def read_body(chunks: AsyncIterator[bytes], *, gzip: bool, limit: int) -> bytes:
    """All of `chunks`, decompressed if `gzip`, at most `limit` bytes. Raises BodyTooLarge, BodyBroken."""
    body = await read_within(chunks, unpacking.Packing.GZIP if gzip else None, limit)
    if len(body) > limit:
        raise BodyTooLarge
    return body

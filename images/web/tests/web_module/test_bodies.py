"""modules 3.3 and behaviour 30: bodies are read to a limit, which counts decompressed bytes."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator

import pytest

from genvm_module.unpacking import MOST_MEMBERS, BodyBroken
from genvm_web.bodies import BodyTooLarge, Packing, packing_of, read_body


class Chunks:
    """Counts what was taken of it."""

    def __init__(self, data: bytes, size: int = 1000) -> None:
        self._data = data
        self._size = size
        self.taken = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self._data), self._size):
            self.taken += self._size
            yield self._data[start : start + self._size]


async def test_a_body_of_exactly_the_limit_is_whole() -> None:
    assert await read_body(aiter(Chunks(b"x" * 1024)), gzip=False, limit=1024) == b"x" * 1024


async def test_a_body_beyond_the_limit_is_not_read_on() -> None:
    chunks = Chunks(b"x" * 100_000)
    with pytest.raises(BodyTooLarge):
        await read_body(aiter(chunks), gzip=False, limit=1024)
    assert chunks.taken == 2000


@pytest.mark.parametrize("size", [1, 7, 10_000])
async def test_gzip_is_undone_member_by_member(size: int) -> None:
    data = gzip.compress(b"a" * 500) + gzip.compress(b"b" * 500)
    assert await read_body(aiter(Chunks(data, size)), gzip=True, limit=1000) == b"a" * 500 + b"b" * 500


async def test_a_bomb_is_not_unfolded() -> None:
    bomb = gzip.compress(b"\0" * 50_000_000)
    with pytest.raises(BodyTooLarge):
        await read_body(aiter(Chunks(bomb, len(bomb))), gzip=True, limit=10_000)


async def test_a_body_of_nothing_but_beginnings_is_not_read_for_ever() -> None:
    with pytest.raises(BodyBroken, match="parts"):
        await read_body(aiter(Chunks(gzip.compress(b"") * (MOST_MEMBERS + 1), 65536)), gzip=True, limit=1000)


@pytest.mark.parametrize("data", [b"not gzip", gzip.compress(b"abc" * 100)[:-9]], ids=["none", "cut off"])
async def test_broken_compression_is_said_to_be_broken(data: bytes) -> None:
    with pytest.raises(BodyBroken):
        await read_body(aiter(Chunks(data)), gzip=True, limit=10_000)


async def test_no_body_at_all_is_no_broken_one() -> None:
    assert await read_body(aiter(Chunks(b"")), gzip=True, limit=10) == b""


@pytest.mark.parametrize(
    ("content", "transfer", "packing"),
    [
        ([], [], Packing.NONE),
        ([], ["chunked"], Packing.NONE),
        (["GZIP"], ["Chunked"], Packing.GZIP),
        (["x-gzip"], [], Packing.GZIP),
        (["gzip, identity"], [], Packing.GZIP),
        (["gzip", "utf-8"], [], Packing.GZIP),
        (["aws-chunked"], [], Packing.NONE),
        (["gzip,aws-chunked"], [], Packing.GZIP),
        (["text/html; charset=utf-8"], [], Packing.NONE),
        (["br"], [], Packing.OTHER),
        (["gzip, br"], [], Packing.OTHER),
        (["gzip, gzip"], [], Packing.OTHER),
        ([], ["gzip, chunked"], Packing.OTHER),
    ],
)
def test_how_a_body_is_packed(content: list[str], transfer: list[str], packing: Packing) -> None:
    assert packing_of(content, transfer) is packing

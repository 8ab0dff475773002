"""modules 3.3 and behaviour 30: bodies are read to a limit, which counts decompressed bytes."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator

import pytest

from genvm_module.unpacking import MOST_MEMBERS, MOST_TIMES, BodyBroken
from genvm_web.bodies import BodyTooLarge, read_body, times_packed


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
    assert await read_body(aiter(Chunks(b"x" * 1024)), packed=0, limit=1024) == b"x" * 1024


async def test_a_body_beyond_the_limit_is_not_read_on() -> None:
    chunks = Chunks(b"x" * 100_000)
    with pytest.raises(BodyTooLarge):
        await read_body(aiter(chunks), packed=0, limit=1024)
    assert chunks.taken == 2000


@pytest.mark.parametrize("size", [1, 7, 10_000])
async def test_gzip_is_undone_member_by_member(size: int) -> None:
    data = gzip.compress(b"a" * 500) + gzip.compress(b"b" * 500)
    assert await read_body(aiter(Chunks(data, size)), packed=1, limit=1000) == b"a" * 500 + b"b" * 500


async def test_a_bomb_is_not_unfolded() -> None:
    bomb = gzip.compress(b"\0" * 50_000_000)
    with pytest.raises(BodyTooLarge):
        await read_body(aiter(Chunks(bomb, len(bomb))), packed=1, limit=10_000)


async def test_a_body_of_nothing_but_beginnings_is_not_read_for_ever() -> None:
    with pytest.raises(BodyBroken, match="parts"):
        await read_body(aiter(Chunks(gzip.compress(b"") * (MOST_MEMBERS + 1), 65536)), packed=1, limit=1000)


@pytest.mark.parametrize("data", [b"not gzip", gzip.compress(b"abc" * 100)[:-9]], ids=["none", "cut off"])
async def test_broken_compression_is_said_to_be_broken(data: bytes) -> None:
    with pytest.raises(BodyBroken):
        await read_body(aiter(Chunks(data)), packed=1, limit=10_000)


async def test_no_body_at_all_is_no_broken_one() -> None:
    assert await read_body(aiter(Chunks(b"")), packed=1, limit=10) == b""


@pytest.mark.parametrize(
    ("content", "transfer", "times"),
    [
        ([], [], 0),
        ([], ["chunked"], 0),
        (["GZIP"], ["Chunked"], 1),
        (["x-gzip"], [], 1),
        (["gzip, identity"], [], 1),
        (["gzip", "utf-8"], [], 1),
        (["aws-chunked"], [], 0),
        (["gzip,aws-chunked"], [], 1),
        (["text/html; charset=utf-8"], [], 0),
        (["br"], [], None),
        (["gzip, br"], [], None),
        (["gzip, gzip"], [], 2),
        (["gzip", "gzip"], [], 2),
        (["gzip", "x-gzip", "identity"], [], 2),
        (["gzip"] * MOST_TIMES, [], MOST_TIMES),
        (["gzip"] * (MOST_TIMES + 1), [], None),
        ([], ["gzip, chunked"], None),
    ],
)
def test_how_often_a_body_is_packed(content: list[str], transfer: list[str], times: int | None) -> None:
    assert times_packed(content, transfer) == times

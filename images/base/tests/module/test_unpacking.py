"""Unpacking gives the same as in one go, and the event loop its turn."""

from __future__ import annotations

import asyncio
import gzip
import random
import threading
import zlib
from collections.abc import AsyncIterator

import pytest

from genvm_module.unpacking import LOOKED_AT, UNFOLDED, BodyBroken, Packing, read_within

STEPS = 40
BOMB = gzip.compress(bytes(STEPS * UNFOLDED))
NO_LIMIT = 1 << 30


async def chunks(data: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def unpacked(
    data: bytes, packing: Packing | None = Packing.GZIP, size: int = 1 << 20, *, to_its_end: bool = True
) -> bytes:
    return await read_within(chunks(data, size), packing, NO_LIMIT, to_its_end=to_its_end)


def raw(body: bytes) -> bytes:
    """Without the wrapping that `deflate` stands for."""
    packing = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packing.compress(body) + packing.flush()


@pytest.mark.parametrize("size", [1000, LOOKED_AT, 1 << 20])
@pytest.mark.parametrize("length", [0, 1, UNFOLDED - 1, UNFOLDED, UNFOLDED + 1, 3 * UNFOLDED])
@pytest.mark.parametrize("kind", ["blanks", "noise"])
async def test_it_is_the_same_as_in_one_go(kind: str, length: int, size: int) -> None:
    body = bytes(length) if kind == "blanks" else random.Random(length).randbytes(length)
    assert await unpacked(body, None, size) == body
    assert await unpacked(gzip.compress(body), size=size) == body
    assert await unpacked(gzip.compress(body) * 3, size=size) == body * 3
    assert await unpacked(zlib.compress(body), Packing.DEFLATE, size) == body
    assert await unpacked(raw(body), Packing.DEFLATE, size) == body


async def test_what_a_decoder_still_holds_when_all_has_gone_in_is_not_lost() -> None:
    for more in range(100):
        body = bytes(UNFOLDED + more)
        assert await unpacked(raw(body), Packing.DEFLATE) == body, more


@pytest.mark.parametrize("packing", Packing, ids=lambda packing: packing.value)
async def test_what_is_cut_off_is_broken_where_its_end_is_asked_for(packing: Packing) -> None:
    body = random.Random(1).randbytes(1000)
    cut = (gzip.compress(body) if packing is Packing.GZIP else zlib.compress(body))[:-2]
    with pytest.raises(BodyBroken, match="early"):
        await unpacked(cut, packing)
    assert await unpacked(cut, packing, to_its_end=False) == body


async def test_no_more_is_unfolded_than_it_takes_to_know_that_it_is_too_much() -> None:
    body = await read_within(chunks(BOMB, len(BOMB)), Packing.GZIP, UNFOLDED)
    assert len(body) == 2 * UNFOLDED


async def test_others_have_their_turns_meanwhile_and_one_body_is_through_before_the_next_is_begun() -> None:
    turns = 0
    ended: list[int] = []

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def one() -> None:
        await unpacked(BOMB)
        ended.append(turns)

    counting = asyncio.create_task(others())
    await asyncio.gather(*(one() for _ in range(3)))
    counting.cancel()
    assert all(later - sooner >= STEPS - 1 for sooner, later in zip([0, *ended], ended, strict=False)), ended


async def test_who_is_cancelled_keeps_no_turn() -> None:
    bodies = [asyncio.create_task(unpacked(BOMB)) for _ in range(3)]
    await asyncio.sleep(0)
    bodies[0].cancel()
    bodies[1].cancel()
    assert len(await bodies[2]) == STEPS * UNFOLDED


async def test_a_loop_in_another_thread_is_not_waited_for() -> None:
    """A manager's checks of models have a loop of their own."""
    here = asyncio.create_task(unpacked(BOMB))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    there = threading.Thread(target=lambda: asyncio.run(unpacked(BOMB)))
    there.start()
    # This loop stands still, with a turn that is not given back.
    there.join()
    assert not here.done()
    assert len(await here) == STEPS * UNFOLDED


@pytest.mark.parametrize("packed", [1, 2, 3, 4])
async def test_what_is_said_to_be_packed_more_often_is_unpacked_as_often_as_it_is(packed: int) -> None:
    body = random.Random(1).randbytes(5000)
    data = body
    for _ in range(packed):
        data = gzip.compress(data)
    once_less = gzip.decompress(data)
    assert await read_within(chunks(data, 100), Packing.GZIP, len(body), times=4) == body
    assert await read_within(chunks(data, 100), Packing.GZIP, NO_LIMIT) == once_less
    assert len(await read_within(chunks(data, 100), Packing.GZIP, len(body) - 1, times=4)) > len(body) - 1


async def test_what_is_packed_again_and_again_is_read_no_further_than_its_limit() -> None:
    around = gzip.compress(gzip.compress(b"") * 10_000)
    assert len(await read_within(chunks(around, len(around)), Packing.GZIP, 1000, times=2)) > 1000


async def test_what_is_no_packing_inside_of_one_is_the_body_and_a_broken_one_is_broken() -> None:
    plain, broken = gzip.compress(b"\x1f plain"), gzip.compress(b"\x1f\x8b broken")
    assert await read_within(chunks(plain, 7), Packing.GZIP, 100, times=2) == b"\x1f plain"
    with pytest.raises(BodyBroken):
        await read_within(chunks(broken, 7), Packing.GZIP, 100, times=2)

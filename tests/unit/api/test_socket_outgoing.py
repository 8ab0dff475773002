"""What waits to be sent on one connection of the manager socket."""

from __future__ import annotations

import asyncio

from orchestrator.api.socket.outgoing import (
    ARTIFACT_FRAMES,
    CONTROL_FRAMES,
    REPLY_BYTES,
    News,
    Outgoing,
)


async def everything(outgoing: Outgoing) -> list[bytes | News | None]:
    return [await outgoing.take() for _ in range(len(outgoing))]


async def test_control_goes_before_artifacts_and_keeps_its_order() -> None:
    outgoing = Outgoing()
    outgoing.put_artifact(b"piece")
    outgoing.put_reply(b"one")
    outgoing.put_news(7)
    outgoing.put_reply(b"two")
    assert await everything(outgoing) == [b"one", News(7), b"two", b"piece"]


async def test_news_of_a_run_wait_once_until_they_are_taken() -> None:
    outgoing = Outgoing()
    for run_id in (7, 8, 7):
        outgoing.put_news(run_id)
    assert await everything(outgoing) == [News(7), News(8)]
    outgoing.put_news(7)
    assert await everything(outgoing) == [News(7)]


async def test_a_full_control_queue_has_room_when_a_reply_was_taken() -> None:
    outgoing = Outgoing()
    for _ in range(CONTROL_FRAMES):
        await outgoing.room_for_reply()
        outgoing.put_reply(b"reply")
    room = asyncio.create_task(outgoing.room_for_reply())
    await asyncio.sleep(0)
    assert not room.done()
    await outgoing.take()
    await room


async def test_news_need_no_room_and_make_none() -> None:
    outgoing = Outgoing()
    for number in range(CONTROL_FRAMES):
        outgoing.put_news(number)
        outgoing.put_reply(b"reply")
    room = asyncio.create_task(outgoing.room_for_reply())
    assert await outgoing.take() == News(0)
    await asyncio.sleep(0)
    assert not room.done()
    assert await outgoing.take() == b"reply"
    await room


async def test_few_large_replies_fill_the_queue_as_well() -> None:
    outgoing = Outgoing()
    await outgoing.room_for_reply()
    outgoing.put_reply(bytes(REPLY_BYTES))
    room = asyncio.create_task(outgoing.room_for_reply())
    await asyncio.sleep(0)
    assert not room.done()
    await outgoing.take()
    await room


async def test_a_full_artifact_queue_has_room_when_a_piece_was_taken() -> None:
    outgoing = Outgoing()
    for _ in range(ARTIFACT_FRAMES):
        await outgoing.room_for_artifact()
        outgoing.put_artifact(b"piece")
    room = asyncio.create_task(outgoing.room_for_artifact())
    await asyncio.sleep(0)
    assert not room.done()
    await outgoing.take()
    await room


async def test_after_its_end_it_gives_what_is_left_and_then_nothing() -> None:
    outgoing = Outgoing()
    outgoing.put_reply(b"last")
    outgoing.close()
    assert await outgoing.take() == b"last"
    assert await outgoing.take() is None


async def test_whoever_waits_for_something_is_woken_by_the_end() -> None:
    outgoing = Outgoing()
    taking = asyncio.create_task(outgoing.take())
    await asyncio.sleep(0)
    outgoing.close()
    assert await taking is None

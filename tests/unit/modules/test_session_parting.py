"""A module's session is told of, and gives back what it used, at whatever await it is ended."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from genvm_module.contract import Conversation
from genvm_module.session import ServedSession, Tally
from genvm_module.sessions import Parting, Sessions
from genvm_module.streams import FramedStream
from genvm_wire.calldata import Encodable, Value, encode
from orchestrator.modules.configuration import StartRequest
from orchestrator.modules.kinds import ModuleKind
from tests.cancelling import Moment, at, at_every_await
from tests.unit.modules.module_bench import TIMES, FakeRuntime, introduction, service
from tests.until import until

STATISTICS: dict[str, Encodable] = {"scripting": {"requests_count": 1, "requests_time": 5}}
TASKS = {"_serve", "_see_out", "tell", "_put_away"}


class SlowTalk:
    """Every method that may wait does, and counts."""

    def __init__(self) -> None:
        self.closed = 0

    async def answer(self, request: Value) -> Encodable:
        await several_turns()
        return request if isinstance(request, str) else None

    def statistics(self) -> dict[str, Encodable]:
        return STATISTICS

    async def close(self) -> None:
        await several_turns()
        self.closed += 1


async def several_turns() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


class Record:
    """Who was told what, and what was given back."""

    def __init__(self, *, mute: bool = False) -> None:
        self.mute = mute
        self.told: list[dict[str, Encodable]] = []
        self.released = 0

    async def tell(self, session: ServedSession) -> None:
        await several_turns()
        if self.mute:
            raise OSError("nobody listens")
        self.told.append(session.statistics)

    async def release(self, _: ServedSession) -> None:
        await several_turns()
        self.released += 1


@asynccontextmanager
async def pair() -> AsyncIterator[tuple[socket.socket, FramedStream]]:
    ours, theirs = socket.socketpair()
    with ours:
        ours.setblocking(False)
        yield ours, FramedStream(*await asyncio.open_connection(sock=theirs))


def frame(value: Encodable) -> bytes:
    body = encode(value)
    return len(body).to_bytes(4, "big") + body


async def ended_at(moment: Moment, sessions: Sessions, record: Record, *, leaves: bool) -> SlowTalk | None:
    """One session with one request; its peer `leaves` by itself or stays until it is ended."""
    talks: list[SlowTalk] = []

    def meet(_: bytes) -> Conversation:
        talks.append(SlowTalk())
        return talks[-1]

    async with pair() as (peer, stream):
        peer.send(frame({"genvm_id": 7}) + frame("x"))
        if leaves:
            peer.shutdown(socket.SHUT_WR)
        async with at(moment):
            task = sessions.start(
                ServedSession(stream, meet, Tally()), 7, Parting(record.tell, record.release)
            )
            if not leaves:
                await asyncio.get_running_loop().sock_recv(peer, 64)
                sessions.end(7)
            await asyncio.wait([task])
        task.result()
        peer.setblocking(True)
        while peer.recv(64):
            pass
    return talks[0] if talks else None


@pytest.mark.parametrize("leaves", [True, False], ids=["the peer leaves", "the peer stays"])
async def test_a_session_ended_at_any_await_is_told_of_once_and_leaves_nothing(leaves: bool) -> None:
    sessions = Sessions()
    before = asyncio.all_tasks()

    def end(task: asyncio.Task[Any]) -> None:
        # Before its first step it is not in the list yet: the same cancellation, by hand.
        if not sessions.end(7):
            task.cancel()

    async def scene(moment: Moment) -> None:
        record = Record()
        talk = await ended_at(moment, sessions, record, leaves=leaves)
        assert record.told == ([STATISTICS] if talk else [{}])
        assert record.released == 1
        assert talk is None or talk.closed == 1
        assert len(sessions) == 0
        assert asyncio.all_tasks() == before

    assert await at_every_await(TASKS, scene, end) > 10


async def test_a_manager_that_cannot_be_told_keeps_nothing_from_being_given_back() -> None:
    sessions, record = Sessions(), Record(mute=True)
    talk = await ended_at(Moment(TASKS, 10_000), sessions, record, leaves=True)
    assert talk is not None
    assert (talk.closed, record.released, len(sessions)) == (1, 1, 0)


async def test_ending_all_waits_for_every_last_word() -> None:
    sessions, records = Sessions(), [Record() for _ in range(3)]
    async with pair() as (_, one), pair() as (_, two), pair() as (_, three):
        for run, (stream, record) in enumerate(zip((one, two, three), records, strict=True)):
            sessions.start(
                ServedSession(stream, lambda _: SlowTalk(), Tally()),
                run,
                Parting(record.tell, record.release),
            )
        await sessions.finish(grace=60)
    assert [record.told for record in records] == [[{}]] * 3


async def test_who_waits_for_a_modules_last_word_is_let_go_wherever_its_life_is_cancelled(
    tmp_path: Path,
) -> None:
    times = replace(TIMES, close=3600, exit=0.01)

    async def scene(moment: Moment) -> None:
        runtime, before = FakeRuntime(), asyncio.all_tasks()
        state_dir = tmp_path / uuid4().hex
        state_dir.mkdir()
        modules = service(runtime, state_dir, times)
        async with at(moment):
            await modules.start(ModuleKind.LLM, StartRequest({}))
            for end in (await modules.connect(introduction(7), required=False)).values():
                end.close()
            releasing = asyncio.create_task(modules.release(7))
            await several_turns()
            if not moment.reached:
                next(iter(runtime.instances.values())).end()
            assert await releasing is None
            await modules.aclose(0)
        await until(lambda: asyncio.all_tasks() == before)

    assert await at_every_await({"_live", "live"}, scene) > 2

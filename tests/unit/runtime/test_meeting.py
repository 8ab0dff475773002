"""Connections against the end of an instance."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import AsyncIterator
from functools import partial

import pytest

from orchestrator.runtime.meeting import Meeting
from orchestrator.runtime.port import ChannelClosed, EngineRefused, InstanceDied, InstanceExit
from orchestrator.runtime.rendezvous import InstanceDirectories, Rendezvous

EXIT = InstanceExit(3, None, False, "boom")


@pytest.fixture
def directories(tmp_path_factory: pytest.TempPathFactory) -> InstanceDirectories:
    return InstanceDirectories(tmp_path_factory.mktemp("m"))


@pytest.fixture
async def meeting(directories: InstanceDirectories) -> AsyncIterator[Meeting]:
    rendezvous = Rendezvous(await asyncio.to_thread(directories.listen, "one"))
    made = Meeting("one", rendezvous, partial(directories.listen_for_program, "one"))
    yield made
    made.close()


def dial(directories: InstanceDirectories) -> socket.socket:
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    peer.connect(str(directories.path / "one" / "control.sock"))
    return peer


async def test_a_connection_made_before_the_end_is_handed_out_after_it(
    meeting: Meeting, directories: InstanceDirectories
) -> None:
    with dial(directories):
        meeting.end(EXIT)
        assert not (await meeting.connect()).closed
    with pytest.raises(InstanceDied, match="exited with code 3: boom"):
        await meeting.connect()


async def test_without_a_descriptor_nobody_is_let_in_and_it_is_said(
    meeting: Meeting, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none() -> tuple[socket.socket, socket.socket]:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr("genvm_wire.inlet.socket.socketpair", none)
    with pytest.raises(EngineRefused, match=r"no way in for the program of one: .*Too many open files"):
        await meeting.inlet()


async def test_a_cancelled_connect_loses_no_connection(
    meeting: Meeting, directories: InstanceDirectories
) -> None:
    with dial(directories):
        impatient = asyncio.create_task(meeting.connect())
        for _ in range(20):
            await asyncio.sleep(0)
            if impatient.done():
                break
            impatient.cancel()
            await asyncio.wait([impatient])
            impatient = asyncio.create_task(meeting.connect())
        assert not (await impatient).closed


async def test_only_the_first_end_counts_and_all_hear_of_it(meeting: Meeting) -> None:
    waiting = [asyncio.create_task(meeting.wait_exit()) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    meeting.end(EXIT)
    meeting.end(InstanceExit(0, None, False))
    assert await asyncio.gather(*waiting[1:]) == [EXIT, EXIT]


async def test_after_close_nothing_connects(meeting: Meeting) -> None:
    meeting.close()
    with pytest.raises(ChannelClosed):
        await meeting.connect()


async def test_a_program_is_let_in_beside_the_control_socket_until_the_meeting_is_closed(
    meeting: Meeting, directories: InstanceDirectories
) -> None:
    path = str(directories.path / "one" / "n")
    with await meeting.inlet() as line, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as program:
        program.connect(path)
        _, (handed,), _, _ = await asyncio.to_thread(socket.recv_fds, line, 16, 4)
        socket.socket(fileno=handed).close()
    with await meeting.inlet() as line, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as program:
        meeting.close()
        assert await asyncio.to_thread(line.recv, 1) == b""
        with pytest.raises(ConnectionRefusedError):
            program.connect(path)

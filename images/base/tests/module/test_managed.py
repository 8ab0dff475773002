"""A module under its manager (docs/module-protocol.md)."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from genvm_module.control import ChannelBroken, ControlChannel
from genvm_module.logs import RecordQueue
from genvm_module.managed import ManagedProgram
from genvm_wire.calldata import Value
from genvm_wire.frames import encode_frame
from genvm_wire.instance_messages import Exit
from genvm_wire.module_messages import (
    CloseSession,
    ConfigurationFailed,
    Configured,
    Drain,
    ModuleReady,
    ModuleResume,
    OpenSession,
    Ping,
    Pong,
    SessionEnded,
)
from tests.until import until

from .parrot import Parrot
from .peers import Manager, framed, hello


@pytest.fixture
def manager() -> Iterator[Manager]:
    with TemporaryDirectory(prefix="m") as directory:
        manager = Manager(Path(directory) / "control.sock")
        yield manager
        manager.close()


@asynccontextmanager
async def running(
    manager: Manager, module: Parrot, *, limit: int = 8, abandoned_after: float = 600
) -> AsyncIterator[ManagedProgram]:
    program = ManagedProgram(
        module, str(manager.path), RecordQueue(), session_limit=limit, abandoned_after=abandoned_after
    )
    task = asyncio.ensure_future(program.serve())
    try:
        yield program
    finally:
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            task.result()


def ended_unused(run: int) -> SessionEnded:
    return SessionEnded(run, {}, 0)


async def test_it_says_ready_and_is_configured(manager: Manager) -> None:
    async with running(manager, parrot := Parrot()):
        assert await manager.accept() == ModuleReady("llm", "v1")
        assert await manager.configure(3, config={"a": "b"}) == Configured(3, ("a note",))
        assert parrot.services[0].config == {"a": "b"}


async def test_a_refused_configuration_changes_nothing(manager: Manager) -> None:
    async with running(manager, Parrot()):
        await manager.accept()
        await manager.configure(1)
        assert await manager.configure(2, config={"refuse": "no good"}) == ConfigurationFailed("no good")
        peer = await manager.session(7)
        peer.send(hello(7) + framed("still here"))
        assert await peer.receive() == {"Ok": "still here"}
        await peer.close()


async def test_the_registered_record_wins_over_the_hello(manager: Manager) -> None:
    async with running(manager, Parrot()):
        await manager.accept()
        await manager.configure()
        peer = await manager.session(7, role="Validator")
        peer.send(
            hello(7, host_data={"node_address": "0xEE", "tx_id": "0xEE"}, role="Leader") + framed("who")
        )
        assert await peer.receive() == {
            "Ok": {"run": 7, "host_data": {"node_address": "0x01", "tx_id": "0x02"}, "role": "Validator"}
        }
        await peer.close()


async def test_a_hello_that_names_another_run_ends_the_session(manager: Manager) -> None:
    async with running(manager, Parrot()):
        await manager.accept()
        await manager.configure()
        peer = await manager.session(7)
        peer.send(hello(8) + framed("who"))
        assert await peer.at_end()
        assert (await manager.expect(SessionEnded)).run == 7
        await peer.close()


@pytest.mark.parametrize("host_data", ["no json", "[]", '{"node_address": "0x01"}'])
async def test_a_run_without_identity_gets_fatal_answers(manager: Manager, host_data: str) -> None:
    async with running(manager, Parrot()):
        await manager.accept()
        await manager.configure()
        peer = await manager.session(7, host_data=host_data)
        peer.send(hello(7) + framed("who"))
        for _ in range(2):
            answer = await peer.receive()
            assert isinstance(answer, dict)
            assert list(answer) == ["FatalError"]
            peer.send(framed("again"))
        await peer.close()


async def test_the_end_of_a_session_is_told_with_its_statistics(manager: Manager) -> None:
    async with running(manager, Parrot()):
        await manager.accept()
        await manager.configure()
        peer = await manager.session(7)
        peer.send(hello(7) + framed("x"))
        await peer.receive()
        await peer.close()
        assert await manager.expect(SessionEnded) == SessionEnded(
            7, {"scripting": {"requests_count": 2, "requests_time": 30}}, 1
        )


async def test_close_cancels_what_the_run_has_under_way(manager: Manager) -> None:
    async with running(manager, parrot := Parrot()):
        await manager.accept()
        await manager.configure()
        peer = await manager.session(7)
        peer.send(hello(7) + framed("wait"))
        await until(lambda: parrot.services[0].opened)
        await parrot.services[0].opened[0].waiting.wait()
        await manager.send(CloseSession(7))
        await parrot.services[0].opened[0].cancelled.wait()
        assert await peer.at_end()
        await peer.close()


async def test_the_close_of_a_session_that_there_is_not_is_answered(manager: Manager) -> None:
    async with running(manager, Parrot()):
        await manager.accept()
        await manager.send(CloseSession(9))
        assert await manager.expect(SessionEnded) == ended_unused(9)


async def test_close_right_behind_a_session_is_answered(manager: Manager) -> None:
    async with running(manager, Parrot()):
        await manager.accept()
        await manager.configure()
        peer = await manager.session(7)
        await manager.send(CloseSession(7))
        assert await manager.expect(SessionEnded) == ended_unused(7)
        assert await peer.at_end()
        await peer.close()


async def test_ping_tells_health_and_counters(manager: Manager) -> None:
    async with running(manager, Parrot()):
        await manager.accept()
        await manager.send(Ping(4))
        pong = await manager.expect(Pong)
        assert (pong.healthy, pong.detail, pong.sequence) == (False, "not configured", 4)
        await manager.configure()
        await manager.send(Ping(5))
        pong = await manager.expect(Pong)
        assert (pong.healthy, pong.sessions) == (True, 0)


async def test_a_broken_channel_leaves_sessions_alone_and_is_taken_up_again(manager: Manager) -> None:
    async with running(manager, Parrot()):
        await manager.accept()
        await manager.configure(5)
        peer = await manager.session(7)
        gone = await manager.session(8)
        gone.send(hello(8) + framed("x"))
        peer.send(hello(7) + framed("before"))
        assert await peer.receive() == {"Ok": "before"}
        assert await gone.receive() == {"Ok": "x"}
        manager.drop()
        assert await peer.ask("meanwhile") == {"Ok": "meanwhile"}
        await gone.close()
        greeting = await manager.accept()
        assert isinstance(greeting, ModuleResume)
        assert greeting.generation == 5
        assert 7 in greeting.sessions
        assert (await manager.expect(SessionEnded)).run == 8
        assert await peer.ask("after") == {"Ok": "after"}
        await peer.close()


async def test_a_drain_waits_for_the_last_session_and_takes_no_new_one(manager: Manager) -> None:
    async with running(manager, Parrot()):
        await manager.accept()
        await manager.configure()
        peer = await manager.session(7)
        peer.send(hello(7))
        await manager.send(Drain())
        refused = await manager.session(8)
        assert await refused.at_end()
        assert await manager.expect(SessionEnded) == ended_unused(8)
        assert await peer.ask("x") == {"Ok": "x"}
        await peer.close()
        assert (await manager.expect(SessionEnded)).run == 7
        assert await manager.receive() is None
        await refused.close()


async def test_exit_ends_everything(manager: Manager) -> None:
    async with running(manager, parrot := Parrot()):
        await manager.accept()
        await manager.configure()
        peer = await manager.session(7)
        peer.send(hello(7))
        await manager.send(Exit())
        assert await peer.at_end()
        while (message := await manager.next()) is not None:
            assert isinstance(message, SessionEnded)
        assert parrot.services[0].closed
        await peer.close()


async def test_sessions_are_bounded(manager: Manager) -> None:
    async with running(manager, Parrot(), limit=1):
        await manager.accept()
        await manager.configure()
        first, second = await manager.session(1), await manager.session(2)
        assert await second.at_end()
        assert await manager.expect(SessionEnded) == ended_unused(2)
        first.send(hello(1) + framed("x"))
        assert await first.receive() == {"Ok": "x"}
        await first.close()
        await second.close()


async def test_an_old_configuration_serves_its_sessions_to_their_end(manager: Manager) -> None:
    async with running(manager, parrot := Parrot()):
        await manager.accept()
        await manager.configure(1)
        peer = await manager.session(7)
        peer.send(hello(7) + framed("x"))
        await peer.receive()
        await manager.configure(2)
        assert not parrot.services[0].closed
        await peer.close()
        await manager.expect(SessionEnded)
        await parrot.services[0].over.wait()
        assert not parrot.services[1].closed


async def test_a_module_that_nobody_needs_ends(manager: Manager) -> None:
    program = ManagedProgram(Parrot(), str(manager.path), RecordQueue(), session_limit=1, abandoned_after=0)
    task = asyncio.ensure_future(program.serve())
    await manager.accept()
    manager.close()
    await task


@pytest.mark.parametrize(
    "said", [{"kind": "dance"}, {"kind": "ping"}, OpenSession(7, "", "", {}, 0, 1).as_map()]
)
async def test_what_is_no_message_closes_the_channel(manager: Manager, said: dict[str, Value]) -> None:
    """Of an unknown kind, without its key, or without its descriptor."""
    async with running(manager, Parrot()):
        await manager.accept()
        await manager.send_frame(encode_frame(said))
        assert await manager.next() is None
        assert isinstance(await manager.accept(), ModuleReady)


async def test_user_error_mode(manager: Manager) -> None:
    async with running(manager, Parrot()):
        await manager.accept()
        await manager.configure(user_error=True)
        peer = await manager.session(7, host_data="null")
        peer.send(framed("no hello") + framed("x"))
        assert await peer.receive() == {"UserError": {"causes": ["MODULE_USER_ERROR"], "ctx": {}}}
        await peer.close()


async def test_who_listens_may_be_about_to_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """First there is no socket, then one of which a connection is refused."""
    connect, tries = ControlChannel.connect, list[str]()

    async def counted(path: str) -> ControlChannel:
        tries.append(path)
        return await connect(path)

    monkeypatch.setattr(ControlChannel, "connect", counted)
    with TemporaryDirectory(prefix="m") as directory, socket.socket(socket.AF_UNIX) as listener:
        path = f"{directory}/control.sock"
        connecting = asyncio.create_task(ControlChannel.connect_first(path, 3600))
        await until(lambda: len(tries) > 1)
        listener.bind(path)
        tries.clear()
        await until(lambda: len(tries) > 1)
        listener.listen()
        channel = await connecting
        listener.accept()[0].close()
        channel.close()


async def test_without_a_manager_it_does_not_start(tmp_path: Path) -> None:
    program = ManagedProgram(
        Parrot(), str(tmp_path / "none.sock"), RecordQueue(), session_limit=1, first_wait=0.0
    )
    with pytest.raises(ChannelBroken):
        await program.serve()


def test_descriptors_are_not_leaked_to_children() -> None:
    left, right = socket.socketpair()
    assert not left.get_inheritable()
    left.close()
    right.close()

"""The connector itself: between a manager that dials it and a program that connects to its socket."""

from __future__ import annotations

import asyncio
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from genvm_connector import program as program_side
from genvm_connector.command import Terms
from genvm_connector.identity import fresh_identity
from genvm_connector.idle import idle
from genvm_wire.hello import Purpose
from genvm_wire.instance_messages import Ack, Exit, Failed, Output, Ready, from_instance
from genvm_wire.orders import Direct, Expect, LetIn, Relayed, ThroughConnector, Watch
from orchestrator.runtime.kubernetes.dialling import client_tls, dial
from orchestrator.runtime.port import ChannelClosed
from orchestrator.runtime.watch_line import WORD
from orchestrator.tasks import TaskOwner, cancel_and_wait
from tests.kubernetes.kube_bench import Pauses
from tests.kubernetes.kube_connector_pod import (
    PATIENT_MS,
    TICKET,
    Pod,
    attached,
    exchanged,
    free_port,
    given,
    heard,
    listening,
)


@pytest.fixture
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="genvm-"))
    yield path
    shutil.rmtree(path)


def test_a_socket_has_its_name_when_it_listens(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that sees it connects at once; also when an earlier connector has left one."""
    path = folder / "control.sock"
    path.touch()
    seen = []

    class Slow(socket.socket):
        def listen(self, backlog: int = 0, /) -> None:
            seen.append(path.is_socket())
            super().listen(backlog)

    monkeypatch.setattr("genvm_connector.program.socket.socket", Slow)
    with program_side.listening(path), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    assert seen == [False]


@pytest.fixture
async def tasks() -> AsyncIterator[TaskOwner]:
    owner = TaskOwner("test")
    yield owner
    await owner.aclose()


@pytest.fixture
async def pod(folder: Path, tasks: TaskOwner) -> AsyncIterator[Pod]:
    one = Pod(folder, tasks)
    one.begin()
    yield one
    for control in one.opened:
        control.close()
    for program in one.programs:
        program.close()
    await one.end()


async def test_what_either_says_reaches_the_other_unread(pod: Pod) -> None:
    program = await pod.program()
    program.send({"kind": "ready", "protocol": 1})
    control = await pod.call()
    assert await control.receive(from_instance) == Ready("")
    large = Output("stdout", 0, bytes(3 * 1024 * 1024))
    sending = asyncio.ensure_future(control.send(large))
    assert await heard(program) == (large.as_map(), [])
    await sending


async def test_a_job_gets_a_connection_that_the_connector_made_and_greeted(pod: Pod) -> None:
    program, control = await pod.program(), await pod.call()
    with closing(await listening()) as listener:
        await given(control, ("host", Direct((listener.getsockname()[:2],), PATIENT_MS, b"hello")))
        node, _ = await asyncio.get_running_loop().sock_accept(listener)
        with node, await attached(program) as theirs:
            assert await asyncio.get_running_loop().sock_recv(node, 5) == b"hello"
            await exchanged(node, theirs)


async def test_of_several_addresses_the_first_that_accepts_is_dialled(pod: Pod) -> None:
    program, control = await pod.program(), await pod.call()
    nowhere = ("127.0.0.1", free_port())
    with closing(await listening()) as listener:
        await given(control, ("host", Direct((nowhere, listener.getsockname()[:2]), PATIENT_MS)))
        node, _ = await asyncio.get_running_loop().sock_accept(listener)
        with node, await attached(program) as theirs:
            await exchanged(node, theirs)


async def test_a_run_whose_node_does_not_accept_has_failed_and_the_program_does_not_hear_of_it(
    pod: Pod,
) -> None:
    program, control = await pod.program(), await pod.call()
    port = free_port()
    await given(control, ("host", Direct((("127.0.0.1", port),), PATIENT_MS)))
    said = await control.receive(from_instance)
    assert isinstance(said, Failed)
    assert (said.run, said.failure) == (7, "unreached")
    assert said.message == f"host 127.0.0.1:{port}: Connection refused"
    await control.send(Exit())
    assert await heard(program) == ({"kind": "exit"}, [])


async def test_a_node_that_was_reached_before_a_module_could_not_be_sees_the_end(pod: Pod) -> None:
    await pod.program()
    control = await pod.call()
    nowhere = Direct((("127.0.0.1", free_port()),), PATIENT_MS)
    with closing(await listening()) as listener:
        await given(control, ("host", Direct((listener.getsockname()[:2],), PATIENT_MS)), ("web", nowhere))
        said = await control.receive(from_instance)
        assert isinstance(said, Failed)
        assert said.failure == "upstream"
        node, _ = await asyncio.get_running_loop().sock_accept(listener)
        with node:
            assert await asyncio.get_running_loop().sock_recv(node, 1) == b""


async def test_a_program_that_dials_its_node_itself_is_let_in_once(pod: Pod) -> None:
    program, control = await pod.program(), await pod.call()
    await given(control, ("inlet", LetIn(PATIENT_MS)))
    with await attached(program) as line, socket.socket(socket.AF_UNIX) as dialled:
        dialled.connect(str(pod.folder / "n"))
        _, (handed,), _, _ = await asyncio.to_thread(socket.recv_fds, line, 16, 4)
        with socket.socket(fileno=handed) as taken:
            await exchanged(dialled, taken)
        with socket.socket(socket.AF_UNIX) as second, pytest.raises(ConnectionRefusedError):
            second.connect(str(pod.folder / "n"))
    await given(control, ("inlet", LetIn(PATIENT_MS)))
    said = await control.receive(from_instance)
    assert isinstance(said, Failed)
    assert said.message == "inlet: a program has been let in already"


async def test_a_run_may_reach_its_node_through_its_manager(pod: Pod) -> None:
    program, control = await pod.program(), await pod.call()
    far = await pod.call(Purpose.RELAY, 11)
    await given(control, ("host", Relayed(11, PATIENT_MS)))
    with await attached(program) as theirs:
        _, reader, writer = far.bare()
        theirs.setblocking(False)
        writer.write(b"from the node")
        loop = asyncio.get_running_loop()
        assert await loop.sock_recv(theirs, 100) == b"from the node"
        await loop.sock_sendall(theirs, b"to the node")
        assert await reader.readexactly(11) == b"to the node"
        writer.transport.abort()
        assert await loop.sock_recv(theirs, 100) == b""


async def test_a_run_reaches_a_module_in_another_pod_with_its_ticket(pod: Pod, tasks: TaskOwner) -> None:
    folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="genvm-"))
    module = Pod(folder, tasks)
    module.begin()
    session = Ack(7)
    try:
        served, admin = await module.program(), await module.call()
        admin.order(Expect(5, TICKET))
        await admin.send(session)
        message, (fd,) = await heard(served)
        assert message == session.as_map()
        program, control = await pod.program(), await pod.call()
        await given(control, ("llm", ThroughConnector(("127.0.0.1", module.port), 5, TICKET, PATIENT_MS)))
        with socket.socket(fileno=fd) as inside, await attached(program) as theirs:
            await exchanged(inside, theirs)
    finally:
        admin.close()
        served.close()
        await module.end()
        await asyncio.to_thread(shutil.rmtree, folder)


@pytest.mark.parametrize(
    ("purpose", "number"), [(Purpose.CONTROL, None), (Purpose.RELAY, 1), (Purpose.SESSION, 5)]
)
async def test_nobody_comes_in_without_the_secret(pod: Pod, purpose: Purpose, number: int | None) -> None:
    pauses = Pauses()
    calling = asyncio.ensure_future(
        dial("127.0.0.1", pod.port, TICKET, client_tls(), purpose=purpose, number=number, pause=pauses)
    )
    program = await pod.program()
    # It is hung up on, again and again.
    await pauses.until(len(pauses.made) + 3)
    await cancel_and_wait(calling)
    control = await pod.call()
    program.send({"kind": "ready", "protocol": 1})
    assert (await control.receive(from_instance)).kind == "ready"


async def test_the_newest_manager_counts_and_the_program_comes_again_to_it(pod: Pod) -> None:
    program, first = await pod.program(), await pod.call()
    program.send({"kind": "ready", "protocol": 1})
    await first.receive(from_instance)
    second = await pod.call()
    with pytest.raises(ChannelClosed):
        await first.receive(from_instance)
    with pytest.raises(Exception, match="ended"):
        await heard(program)
    again = await pod.program()
    again.send({"kind": "resume", "protocol": 1, "run": 7, "finished": False})
    assert (await second.receive(from_instance)).kind == "resume"


async def test_what_a_program_says_while_there_is_no_manager_waits(pod: Pod) -> None:
    program = await pod.program()
    program.send({"kind": "resume", "protocol": 1, "run": 7, "finished": True})
    program.send({"kind": "finishing", "run": 7})
    control = await pod.call()
    assert [(await control.receive(from_instance)).kind for _ in range(2)] == ["resume", "finishing"]


async def test_the_end_of_a_program_is_the_end_of_its_managers_connection(pod: Pod) -> None:
    program, control = await pod.program(), await pod.call()
    program.send({"kind": "finishing", "run": 7})
    program.close()
    assert (await control.receive(from_instance)).kind == "finishing"
    with pytest.raises(ChannelClosed):
        await control.receive(from_instance)


async def test_the_newest_connection_of_a_program_counts(pod: Pod) -> None:
    program, control = await pod.program(), await pod.call()
    program.send({"kind": "finishing", "run": 7})
    await control.receive(from_instance)
    newer = await pod.program()
    newer.send({"kind": "resume", "protocol": 1, "run": 7, "finished": False})
    with pytest.raises(ChannelClosed):
        await control.receive(from_instance)
    assert (await (await pod.call()).receive(from_instance)).kind == "resume"


async def test_a_watchdog_hears_the_deadline_also_from_a_connector_that_was_started_again(pod: Pod) -> None:
    control = await pod.call()
    control.order(Watch(PATIENT_MS))
    program = await pod.program()
    await control.send(Exit())
    await heard(program)
    await pod.end()
    pod.begin()
    await pod.program()
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as watchdog:
        watchdog.connect(str(pod.folder / "watch.sock"))
        watchdog.setblocking(False)
        (left,) = WORD.unpack(await loop.sock_recv(watchdog, 8))
        assert 0 < left < PATIENT_MS
        (await pod.call()).order(Watch(-1))
        assert WORD.unpack(await loop.sock_recv(watchdog, 8)) == (-1,)


async def test_a_program_without_manager_or_work_is_sent_away(pod: Pod) -> None:
    await pod.end()
    pod.begin(idle=0.01)
    program = await pod.program()
    assert await heard(program) == ({"kind": "exit"}, [])


@pytest.mark.parametrize(
    ("alone", "has_deadline", "sessions", "idle_now"),
    [
        (None, False, 0, False),
        (29.9, False, 0, False),
        (30.0, False, 0, True),
        (30.0, True, 0, False),
        (30.0, False, 1, False),
    ],
)
def test_what_goes_on_without_a_manager_is_left_alone(
    alone: float | None, has_deadline: bool, sessions: int, idle_now: bool
) -> None:
    assert idle(alone, 30.0, has_deadline=has_deadline, sessions=sessions) is idle_now


async def test_silent_connections_do_not_keep_a_manager_out_for_long(pod: Pod) -> None:
    await pod.end()
    pod.begin(proof=0.5)
    program = await pod.program()
    program.send({"kind": "ready", "protocol": 1})
    silent = [socket.create_connection(("127.0.0.1", pod.port)) for _ in range(5)]
    try:
        assert (await (await pod.call()).receive(from_instance)).kind == "ready"
    finally:
        for sock in silent:
            sock.close()


def test_a_certificate_is_made_at_each_start_and_is_no_file() -> None:
    before = list(Path("/proc/self/fd").iterdir())
    assert fresh_identity().fingerprint != fresh_identity().fingerprint
    assert len(list(Path("/proc/self/fd").iterdir())) <= len(before)


@pytest.mark.parametrize("token", ["", "5e" * 31, "zz" * 32, "5E" * 32])
def test_a_token_that_is_none_is_refused_and_not_repeated(token: str) -> None:
    with pytest.raises(ValueError, match="hexadecimal") as caught:
        Terms.of({"GENVM_TOKEN": token})
    assert not token or token not in str(caught.value)

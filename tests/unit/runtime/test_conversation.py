"""What is said with an instance, whatever its runtime: made ready, given its run, ready again."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from hashlib import sha256
from typing import Any

import pytest

from genvm_wire.instance_messages import Ack, Exit, JobMessage, Log, Ready, Resume
from genvm_wire.messages import Message
from genvm_wire.module_messages import OpenSession
from orchestrator.runtime.conversation import Conversation, SocketLine, made_ready
from orchestrator.runtime.frame_stream import AnyMessage, Reading
from orchestrator.runtime.port import (
    ChannelClosed,
    Control,
    EngineUnreachable,
    InstanceDied,
    InstanceExit,
    InstanceSpec,
    ProtocolBroken,
    Role,
)
from tests.integration.runtime.runtime_kit import job_to
from tests.raw_message import carried

READY, RESUME = Ready("x"), Resume(7)
SESSION = OpenSession(7, "Leader", "{}", {}, 0, 1000)
EXIT = InstanceExit(None, 9, True)
SPEC = InstanceSpec("one", Role.EXECUTOR, "image", "v0.2.1", 7, None, 1, 1.0, 1)
DEAD = InstanceDied("dead", EXIT)


class Channel:
    """Says what it was made with, and ends then."""

    def __init__(self, *said: Message, silent: bool = False) -> None:
        self._said = list(said)
        self._silent = silent
        self.sent: list[Message] = []
        self.passed = 0
        self.closed = False

    async def send(self, message: Message, fds: Sequence[int] = ()) -> None:
        if self.closed:
            raise ChannelClosed("closed")
        self.sent.append(message)
        self.passed += len(fds)

    async def receive(self, read: Reading[AnyMessage]) -> AnyMessage:
        if not self._said and self._silent:
            await asyncio.get_running_loop().create_future()
        if self.closed or not self._said:
            raise ChannelClosed("ended")
        return carried(self._said.pop(0), read)

    def quiet(self) -> bool:
        return not self.closed

    def close(self) -> None:
        self.closed = True


class Talker(Conversation):
    """An instance that makes these connections, one after another, and has ended then."""

    engine_id = "engine"

    def __init__(
        self,
        *channels: Channel | Exception,
        removable: bool = True,
        patience: float = 60,
        inlet: Callable[[], Awaitable[socket.socket]] | None = None,
    ) -> None:
        super().__init__(self._next, inlet=inlet)
        self.spec = InstanceSpec(
            "one", Role.EXECUTOR, "image", "v0.2.1", 7, None, 1, 1.0, 1, ready_within=patience
        )
        self.channels = list(channels)
        self.destroyed = 0
        self._removable = removable

    async def _next(self) -> Control:
        found = self.channels.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    def end_within(self, seconds: float | None) -> None:
        raise NotImplementedError

    async def wait_exit(self) -> InstanceExit:
        return EXIT

    async def kill(self) -> None:
        raise NotImplementedError

    async def destroy(self) -> None:
        self.destroyed += 1
        if not self._removable:
            raise EngineUnreachable("away")


async def test_what_is_made_ready_has_said_so() -> None:
    talker = await made_ready(Talker(Channel(READY)))
    assert (talker.greeting, talker.destroyed) == (READY, 0)


@pytest.mark.parametrize(
    ("talker", "failure", "exit_"),
    [
        (lambda: Talker(DEAD), InstanceDied, EXIT),
        (lambda: Talker(ChannelClosed("destroyed")), InstanceDied, None),
        (lambda: Talker(Channel()), InstanceDied, EXIT),
        (lambda: Talker(Channel(silent=True), patience=0), InstanceDied, None),
        (lambda: Talker(Channel(RESUME)), ProtocolBroken, None),
        (lambda: Talker(Channel(Log(()))), ProtocolBroken, None),
        (lambda: Talker(Channel(), removable=False), InstanceDied, EXIT),
    ],
    ids=["died", "destroyed", "ended silently", "silent", "has a job", "chatters", "engine away"],
)
async def test_what_does_not_get_ready_is_destroyed_and_says_how_it_ended(
    talker: type[Talker], failure: type[Exception], exit_: InstanceExit | None
) -> None:
    made = talker()
    with pytest.raises(failure) as caught:
        await made_ready(made)
    assert made.destroyed == 1
    assert getattr(caught.value, "exit", None) == exit_


async def test_what_nobody_waits_for_any_more_is_destroyed() -> None:
    made = Talker(Channel(silent=True))
    waiting = asyncio.create_task(made_ready(made))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert made.destroyed == 1


async def test_its_next_connection_replaces_the_one_before() -> None:
    first, second = Channel(READY), Channel(RESUME)
    talker = await made_ready(Talker(first, second))
    assert await talker.greet(None) == RESUME == talker.greeting
    assert talker.control is second
    assert (first.closed, second.closed) == (True, False)


async def test_a_connection_that_ends_before_a_word_is_no_end_of_the_instance() -> None:
    talker = Talker(Channel(), Channel(RESUME))
    with pytest.raises(ChannelClosed):
        await talker.greet(None)
    assert await talker.greet(None) == RESUME


class Way(SocketLine):
    """Notes when it is used."""

    def __init__(self, name: str, order: list[str]) -> None:
        ours, self.peer = socket.socketpair()
        super().__init__(ours)
        self._name = name
        self._order = order

    async def connect(self) -> socket.socket:
        self._order.append(self._name)
        return await super().connect()


async def test_a_run_is_given_with_its_connections_the_job_being_made_last() -> None:
    channel, order = Channel(READY), list[str]()
    talker = await made_ready(Talker(channel))

    async def job() -> Any:
        order.append("job")
        return Exit()

    node, llm = Way("node", order), Way("llm", order)
    with node.peer, llm.peer:
        await talker.give(job, node, {"llm": llm})
        assert order == ["node", "llm", "job"]
        assert (channel.sent, channel.passed) == ([Exit()], 2)
        # The instance's copies are all that is left.
        assert (node.peer.recv(1), llm.peer.recv(1)) == (b"", b"")


async def test_a_node_that_cannot_be_dialled_gets_no_job_and_keeps_nobody_s_connection() -> None:
    channel = Channel(READY)
    talker = await made_ready(Talker(channel))
    llm = Way("llm", [])

    async def job() -> JobMessage:
        raise AssertionError("nobody is to make one")

    with llm.peer, closing(llm):
        gone = Way("node", [])
        gone.close()
        with gone.peer, pytest.raises(ChannelClosed):
            await talker.give(job, gone, {"llm": llm})
    assert channel.sent == []


EARLY = Ready("x", inlet=("T15a", "T15b"))


@pytest.mark.parametrize(
    ("said", "table", "sockets"),
    [
        pytest.param(EARLY, "T15b", ("host", "inlet"), id="dials its node itself"),
        pytest.param(EARLY, "T9w", ("host",), id="of another table"),
        pytest.param(READY, "T15b", ("host",), id="takes a connection"),
    ],
)
async def test_a_program_that_dials_its_node_itself_is_let_in(
    said: Ready, table: str, sockets: tuple[str, ...]
) -> None:
    channel, made = Channel(said), list[socket.socket]()

    async def inlet() -> socket.socket:
        ours, line = socket.socketpair()
        made.append(ours)
        return line

    async def job() -> JobMessage:
        return job_to("nothing").but(host_table=table, sockets=["host"])

    talker = await made_ready(Talker(channel, inlet=inlet))
    node = Way("node", [])
    with node.peer:
        await talker.give(job, node, {})
    (message,) = channel.sent
    assert isinstance(message, JobMessage)
    assert (tuple(message.sockets), channel.passed) == (sockets, len(sockets))
    for ours in made:
        with ours:
            assert ours.recv(1) == b""  # its copy is the instance's
    assert len(made) == len(sockets) - 1


async def test_a_session_is_one_end_of_a_pair() -> None:
    channel = Channel(READY)
    talker = await made_ready(Talker(channel))
    line = await talker.open(SESSION)
    assert (channel.sent, channel.passed) == ([SESSION], 1)
    with await line.connect() as end:
        assert end.recv(1) == b""  # the module's end was this double's, and it dropped it


async def test_a_session_that_cannot_be_announced_leaves_no_descriptor() -> None:
    channel = Channel(READY)
    talker = await made_ready(Talker(channel))
    channel.close()
    with pytest.raises(ChannelClosed):
        await talker.open(SESSION)


PROMISED = Ready("x", promise=sha256(b"secret").digest())


def again(proof: bytes | None) -> Ready:
    return Ready("x", served=1, proof=proof, promise=PROMISED.promise)


@pytest.mark.parametrize(
    ("promised", "said", "ready"),
    [
        (READY, [READY], True),
        (PROMISED, [again(b"secret")], True),
        (PROMISED, [Log(()), again(b"secret")], True),
        (PROMISED, [], False),
    ],
    ids=["promised nothing", "proved", "after a log", "left"],
)
async def test_who_keeps_its_promise_is_ready_again(
    promised: Ready, said: list[Message], ready: bool
) -> None:
    channel = Channel(promised, *said)
    talker = await made_ready(Talker(channel))
    assert await talker.acknowledge(7, 60) is ready
    assert channel.sent == [Ack(7)]
    assert talker.greeting == (said[-1] if ready else promised)


@pytest.mark.parametrize("proof", [b"guess", None], ids=["guess", "none"])
async def test_a_run_that_says_ready_itself_is_found_out(proof: bytes | None) -> None:
    talker = await made_ready(Talker(Channel(PROMISED, again(proof))))
    with pytest.raises(ProtocolBroken):
        await talker.acknowledge(7, 60)
    assert talker.greeting == PROMISED

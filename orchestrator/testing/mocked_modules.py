"""Modules that answer from mocks: a runtime that starts none of the real ones.

A mocked module lives in the test's own process. The manager speaks the module protocol with it as with any
(docs/module-protocol.md), and instances are handed a connection to it as to any.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any

from genvm_module.streams import FramedStream, StreamBroken
from genvm_wire.calldata import CalldataError, decode, encode
from genvm_wire.instance_messages import Exit
from genvm_wire.messages import Message
from genvm_wire.module_messages import (
    CloseSession,
    Configure,
    Configured,
    Drain,
    ModuleReady,
    OpenSession,
    Ping,
    Pong,
    SessionEnded,
)
from orchestrator.runtime.conversation import SocketLine
from orchestrator.runtime.frame_stream import AnyMessage, Reading
from orchestrator.runtime.port import (
    ChannelClosed,
    Greeting,
    Instance,
    InstanceExit,
    InstanceSpec,
    Line,
    MakeJob,
    Role,
    Runtime,
    RuntimeFailure,
)
from orchestrator.tasks import TaskOwner
from orchestrator.testing.answering import Answering
from orchestrator.testing.real_module import Asking, NotAsked, RealModule


class MockedControl:
    """The module's end of its control channel: every word has its answer at once.

    `configuration`: the message that configures it, kept for a real module behind it.
    """

    def __init__(self) -> None:
        self.configuration: Message | None = None
        self.requests: dict[int, int] = {}
        self.left = asyncio.Event()
        self._said: asyncio.Queue[Message | None] = asyncio.Queue()

    async def send(self, message: Message, fds: Sequence[int] = ()) -> None:
        """See `Control.send`."""
        del fds
        match message:
            case Configure():
                self.configuration = message
                self._said.put_nowait(Configured(message.generation, ()))
            case Ping():
                self._said.put_nowait(Pong(message.sequence, len(self.requests), True, "", {}))
            case CloseSession():
                count = self.requests.pop(message.run, 0)
                self._said.put_nowait(SessionEnded(message.run, {}, count))
            case Drain() | Exit():
                self.close()

    async def receive(self, read: Reading[AnyMessage]) -> AnyMessage:
        """See `Control.receive`."""
        message = await self._said.get()
        if message is None:
            raise ChannelClosed("the mocked module has left")
        said = decode(encode(message.as_map()))
        assert isinstance(said, dict)
        return read(said)

    def quiet(self) -> bool:
        return self._said.empty()

    def close(self) -> None:
        self.left.set()
        self._said.put_nowait(None)


class MockedInstance:
    """Implements `Instance` as far as modules need it."""

    def __init__(
        self, spec: InstanceSpec, answering: Answering, tasks: TaskOwner, behind: Runtime | None
    ) -> None:
        """`behind`: what starts a real one when a question is to be recorded."""
        self.spec = spec
        self.engine_id = "mocked"
        self.way = None
        self.control = MockedControl()
        self._real = None if behind is None else RealModule(behind, spec)
        self.greeting: Greeting = ModuleReady(spec.role.value, "mocked")
        self._answering = answering
        self._tasks = tasks

    async def greet(self, seconds: float | None) -> Greeting:
        del seconds
        return self.greeting

    async def give(self, job: MakeJob, host: Line, modules: Mapping[str, Line]) -> None:
        raise ChannelClosed("a module takes no job")

    async def open(self, session: OpenSession) -> Line:
        """See `Instance.open`."""
        theirs, ours = socket.socketpair()
        self._tasks.spawn(f"session {session.run}", self._serve(session, ours))
        return SocketLine(theirs)

    async def _serve(self, session: OpenSession, sock: socket.socket) -> None:
        reader, writer = await asyncio.open_connection(sock=sock)
        stream = FramedStream(reader, writer)
        run, node = session.run, _node_of(session)
        try:
            # The manager has said whose session this is; the hello is for a real module.
            hello = await stream.receive()
            if hello is None:
                return
            async with AsyncExitStack() as held:
                asking = Asking(self._real, self.control, session, hello, held)
                while (body := await stream.receive()) is not None:
                    self.control.requests[run] = self.control.requests.get(run, 0) + 1
                    await stream.send(await self._answer(node, body, asking))
        except StreamBroken:
            return
        finally:
            await stream.close()

    async def _answer(self, node: str, body: bytes, asking: Asking) -> bytes:
        try:
            request = decode(body)
        except CalldataError as error:
            return encode({"FatalError": f"the request is not calldata: {error}"})
        answer = await asyncio.to_thread(self._answering.answer, node, request)
        if answer is not None:
            return encode(answer)
        try:
            real = await asking.ask(body)
        except (NotAsked, RuntimeFailure) as failure:
            self._answering.troubles.append(f"the real {self.spec.role} module: {failure}")
            return encode({"FatalError": self._answering.troubles[-1]})
        self._answering.recording.add(node, request, decode(real))
        return real

    async def acknowledge(self, run: int, seconds: float) -> bool:
        del run, seconds
        return False

    def hang_up(self) -> None:
        """Nothing to let go."""

    def end_within(self, seconds: float | None) -> None:
        """It ends with the test's process."""

    async def wait_exit(self) -> InstanceExit:
        await self.control.left.wait()
        return InstanceExit(0, None, False)

    async def kill(self) -> None:
        self.control.close()

    async def destroy(self) -> None:
        self.control.close()
        if self._real is not None:
            await self._real.destroy()


class MockingRuntime:
    """Executors are `inner`'s, modules answer from mocks; `real`: `inner`'s own stand behind those."""

    def __init__(self, inner: Runtime, answering: Answering, *, real: bool = False) -> None:
        self._inner = inner
        self._answering = answering
        self._real = real
        self._tasks = TaskOwner("mocked-modules")

    async def start(self, spec: InstanceSpec) -> Instance:
        """See `Runtime.start`."""
        if spec.role is Role.EXECUTOR:
            return await self._inner.start(spec)
        return MockedInstance(spec, self._answering, self._tasks, self._inner if self._real else None)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def aclose(self) -> None:
        """See `Runtime.aclose`."""
        await self._tasks.aclose()
        await self._inner.aclose()


def _node_of(session: OpenSession) -> str:
    """Who asks, as the local node told the manager."""
    try:
        told = json.loads(session.host_data)
        return str(told["node"])
    except (ValueError, TypeError, KeyError):
        return "leader"

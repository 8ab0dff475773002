"""What is said with an instance, whatever its runtime: its first word, its job, its next `ready`.

Here, and nowhere else, is `ready` read, first and after each run (docs/instance-protocol.md). Descriptors
ride on the messages; a runtime whose instances are elsewhere has ways of its own to `give` and to `open`.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack, suppress
from hashlib import sha256
from typing import TypeVar

import structlog

from genvm_wire.instance_messages import (
    INLET,
    Ack,
    FromInstance,
    JobMessage,
    Ready,
    Resume,
    from_instance,
)
from genvm_wire.module_messages import FromModule, ModuleReady, ModuleResume, OpenSession, from_module
from orchestrator.runtime.meeting import describe
from orchestrator.runtime.port import (
    ChannelClosed,
    Control,
    Greeting,
    Instance,
    InstanceDied,
    InstanceExit,
    Line,
    MakeJob,
    Places,
    ProtocolBroken,
    Role,
    RuntimeFailure,
    Way,
)

log = structlog.get_logger(__name__)

# Seconds that an engine under load may take to say how an instance ended.
ENGINE_TIME = 10.0

AnyInstance = TypeVar("AnyInstance", bound=Instance)


class SocketLine:
    """A connection that is made already, owned from here on until somebody asks for it."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock: socket.socket | None = sock

    async def connect(self) -> socket.socket:
        """Raises ChannelClosed when it has been asked for before, or closed."""
        sock, self._sock = self._sock, None
        if sock is None:
            raise ChannelClosed("this connection has been used")
        return sock

    async def places(self) -> Places | None:
        """None: it is made."""
        return None

    def close(self) -> None:
        if self._sock is not None:
            self._sock.close()
            self._sock = None


class Conversation:
    """The talking half of an `Instance`; `connect` waits for the next connection that the instance makes.

    `inlet` makes one for a program that dials its node itself, and returns its line; null: a runtime whose
    instances are elsewhere has it made there.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[Control]],
        role: Role = Role.EXECUTOR,
        inlet: Callable[[], Awaitable[socket.socket]] | None = None,
    ) -> None:
        self._connect = connect
        self._role = role
        self._inlet = inlet
        self._control: Control | None = None
        self._greeting: Greeting | None = None
        self._way: Way | None = None

    @property
    def way(self) -> Way | None:
        """See `Instance.way`."""
        return self._way

    @property
    def control(self) -> Control:
        """See `Instance.control`."""
        if self._control is None:
            raise ChannelClosed("the instance has not connected")
        return self._control

    @property
    def greeting(self) -> Greeting:
        """See `Instance.greeting`."""
        if self._greeting is None:
            raise ChannelClosed("the instance has said nothing")
        return self._greeting

    async def greet(self, seconds: float | None) -> Greeting:
        """See `Instance.greet`."""
        self.hang_up()
        try:
            async with asyncio.timeout(seconds):
                control = self._control = await self._next_connection()
                greeting = self._greeting = greeting_in(await self._first_word(control))
        except TimeoutError:
            self.hang_up()
            raise InstanceDied(f"not {Ready.kind} within {seconds:g} s") from None
        except BaseException:
            self.hang_up()
            raise
        return greeting

    async def _first_word(self, control: Control) -> FromInstance | FromModule:
        if self._role is Role.EXECUTOR:
            return await control.receive(from_instance)
        return await control.receive(from_module)

    async def _next_connection(self) -> Control:
        try:
            return await self._connect()
        except ChannelClosed as gone:
            raise InstanceDied(str(gone)) from None

    async def give(self, job: MakeJob, host: Line, modules: Mapping[str, Line]) -> None:
        """See `Instance.give`."""
        with ExitStack() as held:
            ends = [held.enter_context(await line.connect()) for line in (host, *modules.values())]
            message = await job()
            if self._inlet is not None and wants_inlet(self._greeting, message):
                message = with_inlet(message)
                ends.append(held.enter_context(await self._inlet()))
            await self.control.send(message, [end.fileno() for end in ends])

    async def open(self, session: OpenSession) -> Line:
        """See `Instance.open`."""
        theirs, ours = socket.socketpair()
        try:
            with ours:
                await self.control.send(session, [ours.fileno()])
        except BaseException:
            theirs.close()
            raise
        return SocketLine(theirs)

    async def acknowledge(self, run: int, seconds: float) -> bool:
        """See `Instance.acknowledge`."""
        try:
            async with asyncio.timeout(seconds):
                await self.control.send(Ack(run))
                while not isinstance(said := await self.control.receive(from_instance), Ready):
                    pass
        except (RuntimeFailure, TimeoutError):
            return False
        if not _keeps(self._greeting, said):
            log.warning("run_said_ready_itself", consequence="its instance is destroyed")
            raise ProtocolBroken("a run said ready itself")
        self._greeting = said
        return True

    def hang_up(self) -> None:
        """See `Instance.hang_up`."""
        if self._control is not None:
            self._control.close()


def greeting_in(said: FromInstance | FromModule) -> Greeting:
    """A first word. Raises ProtocolBroken for what is none."""
    if isinstance(said, Ready | Resume | ModuleReady | ModuleResume):
        return said
    raise ProtocolBroken(f"expected {Ready.kind} or {Resume.kind}, got {said.kind!r}")


def waits(said: Greeting) -> Ready | ModuleReady:
    """What says that an instance waits for what it is to do. Raises ProtocolBroken for one that does it."""
    if isinstance(said, Ready | ModuleReady):
        return said
    raise ProtocolBroken(f"expected {Ready.kind}, got {said.kind!r}")


def wants_inlet(said: Greeting | None, job: JobMessage) -> bool:
    """Whether the program that this job is for dials its node itself."""
    return isinstance(said, Ready) and bool(said.inlet) and job.host_table in said.inlet


def with_inlet(job: JobMessage) -> JobMessage:
    """The job, to which the line of an inlet is attached behind all else."""
    return job.but(sockets=(*job.sockets, INLET))


def _keeps(before: Greeting | None, said: Ready) -> bool:
    """A run that has broken out could say `ready`, too, but cannot keep what the forking process promised.

    An instance that promised nothing is an older one's.
    """
    promise = before.promise if isinstance(before, Ready) else None
    return promise is None or (said.proof is not None and sha256(said.proof).digest() == promise)


async def made_ready(instance: AnyInstance) -> AnyInstance:
    """A fresh instance, once it is ready; one that does not get there, or is not waited for, is destroyed.

    Raises InstanceDied, ProtocolBroken.
    """
    try:
        waits(await instance.greet(instance.spec.ready_within))
    except BaseException as failure:
        ended = await _exit_of(instance) if isinstance(failure, ChannelClosed) else None
        try:
            await instance.destroy()
        except RuntimeFailure as trouble:
            log.warning("unready_instance_removed_later", instance=instance.spec.name, error=str(trouble))
        if isinstance(failure, ChannelClosed):
            how = "" if ended is None else f": {describe(ended)}"
            raise InstanceDied(f"the instance ended before it said anything{how}", ended) from None
        raise
    return instance


async def _exit_of(instance: Instance) -> InstanceExit | None:
    with suppress(TimeoutError, RuntimeFailure):
        async with asyncio.timeout(ENGINE_TIME):
            return await instance.wait_exit()
    return None

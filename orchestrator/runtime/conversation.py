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

from genvm_wire.calldata import Value
from orchestrator.runtime.port import (
    ChannelClosed,
    Control,
    Instance,
    InstanceDied,
    InstanceExit,
    Line,
    MakeJob,
    ProtocolBroken,
    RuntimeFailure,
)

log = structlog.get_logger(__name__)

READY, RESUME = "ready", "resume"
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

    def close(self) -> None:
        if self._sock is not None:
            self._sock.close()
            self._sock = None


class Conversation:
    """The talking half of an `Instance`; `connect` waits for the next connection that the instance makes."""

    def __init__(self, connect: Callable[[], Awaitable[Control]]) -> None:
        self._connect = connect
        self._control: Control | None = None
        self._greeting: Mapping[str, Value] = {}

    @property
    def control(self) -> Control:
        """See `Instance.control`."""
        if self._control is None:
            raise ChannelClosed("the instance has not connected")
        return self._control

    @property
    def greeting(self) -> Mapping[str, Value]:
        """See `Instance.greeting`."""
        return self._greeting

    async def greet(self, seconds: float | None) -> Mapping[str, Value]:
        """See `Instance.greet`."""
        self.hang_up()
        try:
            async with asyncio.timeout(seconds):
                control = self._control = await self._next_connection()
                said = await control.receive()
            if (kind := said.get("kind")) not in (READY, RESUME):
                raise ProtocolBroken(f"expected {READY} or {RESUME}, got {str(kind)[:40]!r}")
        except TimeoutError:
            self.hang_up()
            raise InstanceDied(f"not {READY} within {seconds:g} s") from None
        except BaseException:
            self.hang_up()
            raise
        self._greeting = said
        return said

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
            await self.control.send(message, [end.fileno() for end in ends])

    async def open(self, session: Mapping[str, Value]) -> Line:
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
                await self.control.send({"kind": "ack", "run": run})
                while (said := await self.control.receive()).get("kind") != READY:
                    pass
        except (RuntimeFailure, TimeoutError):
            return False
        if not _keeps(self._greeting.get("promise"), said):
            log.warning("run_said_ready_itself", consequence="its instance is destroyed")
            raise ProtocolBroken("a run said ready itself")
        self._greeting = said
        return True

    def hang_up(self) -> None:
        """See `Instance.hang_up`."""
        if self._control is not None:
            self._control.close()


def _keeps(promise: Value, said: Mapping[str, Value]) -> bool:
    """A run that has broken out could say `ready`, too, but cannot keep what the forking process promised.

    An instance that promised nothing is an older one's.
    """
    proof = said.get("proof")
    return promise is None or (isinstance(proof, bytes) and sha256(proof).digest() == promise)


async def made_ready(instance: AnyInstance) -> AnyInstance:
    """A fresh instance, once it is ready; one that does not get there, or is not waited for, is destroyed.

    Raises InstanceDied, ProtocolBroken.
    """
    try:
        said = await instance.greet(instance.spec.ready_within)
        if said["kind"] != READY:
            raise ProtocolBroken(f"expected {READY}, got {said['kind']!r}")
    except BaseException as failure:
        ended = await _exit_of(instance) if isinstance(failure, ChannelClosed) else None
        try:
            await instance.destroy()
        except RuntimeFailure as trouble:
            log.warning("unready_instance_removed_later", instance=instance.spec.name, error=str(trouble))
        if isinstance(failure, ChannelClosed):
            raise InstanceDied("the instance ended before it said anything", ended) from None
        raise
    return instance


async def _exit_of(instance: Instance) -> InstanceExit | None:
    with suppress(TimeoutError, RuntimeFailure):
        async with asyncio.timeout(ENGINE_TIME):
            return await instance.wait_exit()
    return None

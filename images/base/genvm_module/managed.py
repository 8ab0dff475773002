"""A module under a manager: configured and given its sessions over the control channel.

When the channel breaks, sessions go on and the same path is tried again, so that a restarted manager finds
the module and its runs.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, assert_never

import structlog

from genvm_module.contract import ConfigurationRefused, Conversation, Module, Terms
from genvm_module.control import FIRST_SECONDS, ChannelBroken, ControlChannel
from genvm_module.errors import fatal_answer
from genvm_module.hello import HelloUnusable, read_hello, registered
from genvm_module.logs import RecordQueue
from genvm_module.serving import USER_ERROR_ANSWER, Served, Serving
from genvm_module.session import ServedSession
from genvm_module.sessions import Parting, Sessions
from genvm_module.streams import FramedStream
from genvm_wire.calldata import Encodable
from genvm_wire.instance_messages import Exit, Log
from genvm_wire.module_messages import (
    CloseSession,
    ConfigurationFailed,
    Configure,
    Configured,
    Drain,
    FromModule,
    ModuleReady,
    ModuleResume,
    OpenSession,
    Ping,
    Pong,
    SessionEnded,
    ToModule,
)

RECONNECT_SECONDS = 0.2
ABANDONED_SECONDS = 600.0
"""A module without a manager and without a session ends after this long."""
EXIT_GRACE = 1.0
DRAIN_GRACE = 5.0
UNSENT_LIMIT = 1024
"""Last words of sessions that ended while there was no channel; they are told after `resume`."""

log = structlog.get_logger(__name__)

Meet = Callable[[bytes], "Conversation | Mapping[str, Encodable]"]


class ManagedProgram:
    """`serve` runs until the manager says `exit`, a drain is over, or nobody is left to serve."""

    def __init__(
        self,
        module: Module,
        path: str,
        records: RecordQueue,
        *,
        session_limit: int,
        abandoned_after: float = ABANDONED_SECONDS,
        first_wait: float = FIRST_SECONDS,
    ) -> None:
        self._module = module
        self._path = path
        self._records = records
        self._abandoned_after = abandoned_after
        self._first_wait = first_wait
        self._serving = Serving(module)
        self._sessions = Sessions(session_limit)
        self._channel: ControlChannel | None = None
        self._group: asyncio.TaskGroup | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._unsent: deque[SessionEnded] = deque(maxlen=UNSENT_LIMIT)
        self._draining = False
        self._grace = EXIT_GRACE
        self._leave = asyncio.Event()

    def stop(self) -> None:
        """End as on SIGTERM: no new session, a moment for requests under way."""
        self._grace = DRAIN_GRACE
        self._leave.set()

    async def serve(self) -> None:
        """Raises ChannelBroken when no manager listens at the first attempt."""
        await self._greet(await ControlChannel.connect_first(self._path, self._first_wait))
        try:
            async with asyncio.TaskGroup() as self._group:
                self._spawn("control", self._follow())
                self._spawn("records", self._forward_records())
                await self._leave.wait()
                await self._sessions.finish(self._grace)
                for task in self._tasks:
                    task.cancel()
        finally:
            await self._sessions.aclose()
            await self._serving.aclose()
            if self._channel is not None:
                self._channel.close()

    async def _connect(self) -> None:
        await self._greet(await ControlChannel.connect(self._path))

    async def _greet(self, channel: ControlChannel) -> None:
        await channel.send(self._greeting())
        while self._unsent:
            await channel.send(self._unsent[0])
            self._unsent.popleft()
        self._channel = channel

    def _spawn(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        assert self._group is not None
        task = self._group.create_task(work, name=name)
        self._tasks.append(task)
        task.add_done_callback(self._tasks.remove)

    def _greeting(self) -> ModuleReady | ModuleResume:
        name, version = self._module.name, self._module.version
        if self._serving.current is None:
            return ModuleReady(name, version)
        return ModuleResume(name, version, self._serving.generation, self._sessions.runs())

    async def _follow(self) -> None:
        while True:
            try:
                while self._channel is not None:
                    message, attached = await self._channel.receive()
                    await self._dispatch(message, attached)
            except ChannelBroken as error:
                log.warning("channel_broken", reason=str(error))
            await self._reconnect()

    async def _reconnect(self) -> None:
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        loop = asyncio.get_running_loop()
        alone_since = loop.time()
        while True:
            if len(self._sessions):
                alone_since = loop.time()
            elif loop.time() - alone_since >= self._abandoned_after:
                log.warning("abandoned", seconds=self._abandoned_after)
                self._leave.set()
            await asyncio.sleep(RECONNECT_SECONDS)
            with suppress(ChannelBroken):
                await self._connect()
                return

    async def _tell(self, message: FromModule) -> bool:
        """Send if there is a channel; whether it left."""
        if self._channel is not None:
            with suppress(ChannelBroken):
                await self._channel.send(message)
                return True
        return False

    async def _dispatch(self, message: ToModule, attached: socket.socket | None) -> None:
        if isinstance(message, OpenSession):
            await self._open(message, attached)
            return
        if attached is not None:
            attached.close()
        match message:
            case Configure():
                self._spawn("configure", self._configure(message))
            case CloseSession():
                if not self._sessions.end(message.run):
                    await self._tell(_session_ended(message.run))
            case Ping():
                await self._pong(message.sequence)
            case Drain():
                self._drain()
            case Exit():
                self._leave.set()
            case _:
                assert_never(message)

    async def _configure(self, message: Configure) -> None:
        try:
            served = await self._serving.configure(
                message.config,
                generation=message.generation,
                user_error=message.user_error,
                allow_empty_backends=message.allow_empty_backends,
            )
        except ConfigurationRefused as error:
            await self._tell(ConfigurationFailed(str(error)))
        except Exception as error:  # the boundary: whatever a configuration does, the module stays
            log.exception("configuration_broke")
            await self._tell(ConfigurationFailed(f"internal error: {type(error).__name__}"))
        else:
            await self._tell(Configured(message.generation, served.service.notes))

    async def _open(self, message: OpenSession, sock: socket.socket | None) -> None:
        if sock is None:
            raise ChannelBroken("a session came without its stream")
        run = message.run
        reader, writer = await asyncio.open_connection(sock=sock)
        if self._draining or not self._sessions.has_room():
            writer.close()
            await self._tell(_session_ended(run))
            return
        loop = asyncio.get_running_loop()
        deadline = loop.time() + message.deadline_ms / 1000
        served = self._serving.take()
        session = ServedSession(
            FramedStream(reader, writer),
            self._meeting(message, served, Terms("S", deadline)),
            self._sessions.tally,
            deadline,
        )

        async def tell(over: ServedSession) -> None:
            last = _session_ended(run, over)
            if not await self._tell(last):
                self._unsent.append(last)

        self._sessions.start(session, run, Parting(tell, self._serving.releasing(served)))

    def _meeting(self, message: OpenSession, served: Served | None, terms: Terms) -> Meet:
        def meet(hello: bytes) -> Conversation | Mapping[str, Encodable]:
            if served is not None and served.user_error:
                return USER_ERROR_ANSWER
            said = read_hello(hello)
            caller = registered(message)
            if said.run is not None and said.run != caller.run:
                raise HelloUnusable("hello names another run than the manager registered")
            if served is None:
                return fatal_answer(["NOT_CONFIGURED"])
            return served.meet(replace(caller, cookie=said.cookie), terms)

        return meet

    async def _pong(self, sequence: int) -> None:
        health = self._serving.health()
        counters = {**self._sessions.counters(), **health.counters}
        await self._tell(Pong(sequence, len(self._sessions), health.healthy, health.detail, counters))

    def _drain(self) -> None:
        if not self._draining:
            self._draining = True
            self._spawn("drain", self._leave_when_drained())

    async def _leave_when_drained(self) -> None:
        await self._sessions.drained()
        self._leave.set()

    async def _forward_records(self) -> None:
        while True:
            records = await self._records.next_batch()
            await self._tell(Log(records))


def _session_ended(run: int, session: ServedSession | None = None) -> SessionEnded:
    """What the manager waits for; without a session: the run has none here, or was refused one."""
    if session is None:
        return SessionEnded(run, {}, 0)
    return SessionEnded(run, session.statistics, session.requests)

"""One module container and the conversation with it (docs/module-protocol.md).

Made by `launch` for a new container and by `adopt` for one that an earlier manager left. From then on `live`
serves the conversation until the container has ended; everything else may be called meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar, assert_never

import structlog

from genvm_wire import calldata
from genvm_wire.calldata import Value
from genvm_wire.instance_messages import Exit, Log
from genvm_wire.messages import Message
from genvm_wire.module_messages import (
    CloseSession,
    ConfigurationFailed,
    Configured,
    Drain,
    FromModule,
    ModuleReady,
    ModuleResume,
    Ping,
    Pong,
    SessionEnded,
    from_module,
)
from orchestrator.executions.modules import Introduction
from orchestrator.modules.configuration import Configuration
from orchestrator.modules.egress import Doors, PacketFilters
from orchestrator.modules.failures import BadConfiguration, NotStarted
from orchestrator.modules.kinds import ModuleKind, ModuleTimes
from orchestrator.modules.log_rate import LogRate
from orchestrator.modules.redaction import Redaction
from orchestrator.modules.session import RunSession, Usage, plain, session_message
from orchestrator.runtime.meeting import describe
from orchestrator.runtime.port import (
    ChannelClosed,
    Greeting,
    Instance,
    InstanceDied,
    Line,
    ProtocolBroken,
    RuntimeFailure,
)
from orchestrator.tasks import cancel_and_wait

log = structlog.get_logger(__name__)

LONGEST_TEXT = 2000
MOST_NOTES = 50
MOST_RECORDS = 64
TROUBLES = "own_troubles"
"""Among a module's counters: what it failed at that was no observation."""
LEVELS = frozenset({"debug", "info", "warning", "error"})

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ReportedHealth:
    """The module's last word about itself."""

    healthy: bool = True
    detail: str = ""
    sessions: int = 0
    counters: Mapping[str, Value] = field(default_factory=dict)


class ModuleInstance:
    """`up`: the channel works. `changed` is called whenever that, the health or the sessions change."""

    def __init__(
        self,
        kind: ModuleKind,
        instance: Instance,
        *,
        version: str,
        times: ModuleTimes,
        changed: Callable[[], None],
        filters: PacketFilters | None = None,
    ) -> None:
        self.kind = kind
        self.version = version
        self.health = ReportedHealth()
        self.notes: list[str] = []
        self.up = True
        self.draining = False
        self.sessions: dict[int, RunSession] = {}
        self.resumed: list[int] = []
        self._of_others: set[int] = set()
        self._instance = instance
        self._times = times
        self._changed = changed
        self._redaction = Redaction()
        self._doors = Doors(instance, filters)
        self._unanswered = 0
        self._sequence = 0
        self._log_rate = LogRate(asyncio.get_running_loop().time)

    @property
    def name(self) -> str:
        return self._instance.spec.name

    @property
    def image(self) -> str:
        return self._instance.spec.image

    @property
    def engine_id(self) -> str:
        return self._instance.engine_id

    @property
    def available(self) -> bool:
        """Whether a run can be given a session now."""
        return self.up and not self.draining

    async def configure(self, configuration: Configuration, generation: int) -> None:
        """Give a new instance its configuration, and wait until it serves; before `live`.

        Raises BadConfiguration, NotStarted.
        """
        self.believe(configuration)
        try:
            async with asyncio.timeout(self._times.configure):
                control = self._instance.control
                await control.send(configuration.message(generation))
                while not isinstance(
                    message := await control.receive(from_module), Configured | ConfigurationFailed
                ):
                    self._take(message)
        except TimeoutError:
            raise NotStarted(
                f"the {self.kind} module did not take its configuration within {self._times.configure:g} s"
            ) from None
        except ChannelClosed:
            raise NotStarted(
                f"the {self.kind} module ended while it was configured: {await self._how()}"
            ) from None
        except (ProtocolBroken, ValueError) as failure:
            raise NotStarted(f"the {self.kind} module: {self._redaction.text(str(failure))}") from None
        if isinstance(message, ConfigurationFailed):
            raise BadConfiguration(self._text(message.message) or "the configuration was refused")
        self.notes = [self._text(note) for note in message.notes[:MOST_NOTES]]

    async def _how(self) -> str:
        """How the instance ended, if that is known soon."""
        try:
            async with asyncio.timeout(self._times.exit):
                return self._redaction.text(describe(await self._instance.wait_exit()))
        except (TimeoutError, RuntimeFailure):
            return "its channel closed"

    async def live(self) -> str:
        """Serve the conversation until the instance has ended or is given up; how that was, in words."""
        tasks = [
            asyncio.create_task(work, name=f"{self.name}:{name}")
            for name, work in (
                ("exit", self._how_it_ends()),
                ("read", self._read()),
                ("ping", self._ping()),
                ("doors", self._doors.keep_fresh()),
            )
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            ending = next(task for task in tasks if task.done())
            if ending is tasks[0]:
                # What it said before it ended is still in the channel.
                await asyncio.wait([tasks[1]], timeout=self._times.exit)
            return self._redaction.text(ending.result())
        except Exception as defect:
            log.exception("module_conversation_defect", module=self.kind, instance=self.name)
            return f"defect: {type(defect).__name__}"
        finally:
            # First what others wait for: the clean-up after it may itself be cancelled.
            self.over()
            await cancel_and_wait(*tasks)

    def over(self) -> None:
        """Whoever waits for a last word of it waits no more. Idempotent, also for one that never lived."""
        self.up = False
        self._instance.hang_up()
        for session in self.sessions.values():
            session.end(None)
        self._changed()

    async def _how_it_ends(self) -> str:
        return describe(await self._instance.wait_exit())

    async def _read(self) -> str:
        while True:
            try:
                self._take(await self._instance.control.receive(from_module))
            except ProtocolBroken as failure:
                return f"it broke the module protocol: {failure}"
            except ChannelClosed:
                self._set_up(False)
                try:
                    await self._reconnect()
                except (InstanceDied, ChannelClosed):
                    return await self._how()
                except ProtocolBroken as failure:
                    return f"it connected again and said nothing of use: {failure}"

    async def _reconnect(self) -> None:
        """A module whose channel broke connects again; one that hangs is found by its pings."""
        check_resumed(await self._instance.greet(None))
        if self._log_rate.take():
            log.info("module_reconnected", module=self.kind, instance=self.name)
        # Sessions that ended meanwhile have their last words said now.
        self._set_up(True)
        if self.draining:
            await self._say(Drain())

    async def _ping(self) -> str:
        while True:
            await asyncio.sleep(self._times.ping_interval)
            if self._unanswered >= self._times.missed_pings:
                return f"it did not answer {self._unanswered} pings"
            self._unanswered += 1
            self._sequence += 1
            await self._say(Ping(self._sequence))

    def _take(self, message: FromModule) -> None:
        match message:
            case Pong():
                self._unanswered = 0
                self._note_health(message)
            case SessionEnded():
                if (session := self.sessions.get(message.run)) is not None:
                    session.end(Usage(message.requests, self._figures(message.stats)))
                    if message.run in self._of_others:
                        self._forget(message.run)
            case Log():
                self._log(message)
            case ModuleReady() | ModuleResume() | Configured() | ConfigurationFailed():
                raise ProtocolBroken(f"it said {message.kind!r} out of turn")
            case _:
                assert_never(message)

    def _note_health(self, said: Pong) -> None:
        health = ReportedHealth(
            said.healthy, self._text(said.detail), said.sessions, self._figures(said.counters)
        )
        if health.healthy != self.health.healthy:
            log.warning("module_health", module=self.kind, healthy=health.healthy, detail=health.detail)
        if health.counters.get(TROUBLES) != self.health.counters.get(TROUBLES):
            self._doors.doubt()
        if health != self.health:
            self.health = health
            self._changed()

    def _figures(self, said: Mapping[str, Value]) -> dict[str, Value]:
        figures = self._redaction.value(plain(said))
        return figures if isinstance(figures, dict) else {}

    def _log(self, said: Log) -> None:
        for record in said.records[:MOST_RECORDS]:
            if not self._log_rate.take():
                continue
            if dropped := self._log_rate.dropped():
                log.warning("module_log_dropped", module=self.kind, instance=self.name, records=dropped)
            level = record.get("level")
            fields = {key: value for key, value in record.items() if key not in ("level", "message")}
            getattr(log, level if isinstance(level, str) and level in LEVELS else "info")(
                "module_log",
                module=self.kind,
                instance=self.name,
                message=self._text(record.get("message")),
                fields=calldata.to_text(self._redaction.value(fields), LONGEST_TEXT) if fields else None,
            )

    def _text(self, value: Value) -> str:
        return self._redaction.text(value)[:LONGEST_TEXT] if isinstance(value, str) else ""

    def _set_up(self, up: bool) -> None:
        self.up = up
        self._unanswered = 0
        self._changed()

    async def open(self, introduction: Introduction) -> Line:
        """A session for a run: the executor's way to it. Raises ChannelClosed; nothing is left of it then."""
        await self._doors.open_for(introduction.host_data)
        self.sessions[introduction.run] = RunSession(introduction.run)
        try:
            return await self._in_time(self._instance.open(session_message(introduction)))
        except BaseException:
            self.sessions.pop(introduction.run).end(None)
            self._changed()
            raise

    def believe(self, configuration: Configuration) -> None:
        """This is its configuration: from now on its secrets are masked in what it says."""
        self._redaction = configuration.redaction
        self._doors.believe(configuration.values)

    def expect(self, run: int) -> None:
        """A session that an earlier manager opened for a run that goes on."""
        self.sessions[run] = RunSession(run)

    def expect_of_another(self, run: int) -> None:
        """The same for a run that another manager has by now: nobody here closes it, or is told of it."""
        self._of_others.add(run)
        self.expect(run)

    def _forget(self, run: int) -> None:
        self._of_others.discard(run)
        del self.sessions[run]
        self._changed()

    async def close_session(self, run: int) -> Usage | None:
        """End a run's session; what it came to, if the module says so in time."""
        session = self.sessions.get(run)
        if session is None:
            return None
        try:
            if not session.ended.done():
                async with asyncio.timeout(self._times.close):
                    await self._say(CloseSession(run))
                    return await asyncio.shield(session.ended)
            return session.ended.result()
        except TimeoutError:
            log.warning("module_session_not_closed", module=self.kind, instance=self.name, run=run)
            return None
        finally:
            session.end(None)
            if self.sessions.get(run) is session:
                del self.sessions[run]
            self._changed()

    async def idle(self) -> None:
        """Return when no run has a session here any more."""
        while under_way := [one.ended for one in self.sessions.values() if not one.ended.done()]:
            await asyncio.wait(under_way)

    async def forget_session(self, run: int) -> None:
        """Close a session that no run of this manager has."""
        await self._say(CloseSession(run))

    async def drain(self) -> None:
        """Give it no more sessions; it exits when the last has ended."""
        self.draining = True
        self._changed()
        await self._say(Drain())

    async def leave(self) -> None:
        """Ask it to exit at once, and wait a little for that."""
        self.draining = True
        self._changed()
        await self._say(Exit())
        await self._how()

    async def _say(self, message: Message) -> None:
        """A broken channel loses it: what has to be repeated is repeated when the module is back."""
        try:
            await self._send(message)
        except ChannelClosed:
            log.info("module_channel_down", module=self.kind, instance=self.name, unsaid=message.kind)

    async def _send(self, message: Message) -> None:
        """Raises ChannelClosed."""
        await self._in_time(self._instance.control.send(message))

    async def _in_time(self, saying: Awaitable[T]) -> T:
        """Raises ChannelClosed, also for a module that does not read: no run may wait for it to wake up."""
        try:
            async with asyncio.timeout(self._times.exit):
                return await saying
        except TimeoutError:
            self._instance.hang_up()
            raise ChannelClosed("the module does not read its channel") from None

    async def destroy(self) -> None:
        """Raises RuntimeFailure."""
        await self._instance.destroy()

    def let_be(self) -> None:
        """Let the connection go and the container run."""
        self._instance.hang_up()


def check_resumed(said: Greeting) -> ModuleResume:
    """What a module says on a new connection: it has its configuration. Raises ProtocolBroken."""
    if not isinstance(said, ModuleResume):
        raise ProtocolBroken(f"expected {ModuleResume.kind}, got {said.kind!r}")
    return said

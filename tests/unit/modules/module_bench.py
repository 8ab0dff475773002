"""A module service over an in-memory runtime whose instances speak the module protocol as they are told."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from genvm_wire.instance_messages import Exit
from genvm_wire.messages import Message
from genvm_wire.module_messages import Configure, Configured, ModuleReady
from orchestrator.executions.modules import Introduction
from orchestrator.modules.kinds import ModuleKind, ModuleSettings, ModuleTimes
from orchestrator.modules.service import ModuleService
from orchestrator.runtime.conversation import Conversation, made_ready
from orchestrator.runtime.frame_stream import AnyMessage, Reading
from orchestrator.runtime.port import (
    ChannelClosed,
    EngineRefused,
    EngineUnreachable,
    InstanceExit,
    InstanceSpec,
    RuntimeStatistics,
)
from tests.raw_message import carried

NO_ENVIRONMENT: dict[str, str] = {}
# What no test waits out is longer than this machine may stand still.
TIMES = ModuleTimes(
    ready=60, configure=60, reconnect=1, ping_interval=30, close=1, exit=1,
    backoff_first=0.001, backoff_longest=0.004, patience=0.05, start_patience=1,
)  # fmt: skip
SETTINGS = ModuleSettings(image="module:1", memory_bytes=1, cpus=1, pids=16)


class FakeControl:
    def __init__(self, instance: FakeInstance) -> None:
        self.instance = instance
        self.frames: asyncio.Queue[Message | None] = asyncio.Queue()
        self.closed = False

    async def send(self, message: Message, fds: Sequence[int] = ()) -> None:
        if self.closed:
            raise ChannelClosed("closed")
        self.instance.told.append(message)
        self.instance.take(message)

    async def receive(self, read: Reading[AnyMessage]) -> AnyMessage:
        frame = None if self.closed and self.frames.empty() else await self.frames.get()
        if frame is None:
            raise ChannelClosed("ended")
        return carried(frame, read)

    def quiet(self) -> bool:
        return not self.closed

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self.frames.put_nowait(None)


class FakeInstance(Conversation):
    """`first` is what it says when it connects; an instance without a word connects and is silent."""

    def __init__(self, spec: InstanceSpec, first: Message | None) -> None:
        super().__init__(self._next, spec.role)
        self.spec = spec
        self.first = first
        self.told: list[Message] = []
        self.exit: asyncio.Future[InstanceExit] = asyncio.get_running_loop().create_future()
        self.connections: asyncio.Queue[FakeControl] = asyncio.Queue()
        self.destroyed = False
        self.channel = self.connect_with(first)

    @property
    def engine_id(self) -> str:
        return f"engine-{self.spec.name}"

    def connect_with(self, first: Message | None) -> FakeControl:
        """Make a new connection, whose first word this is."""
        self.channel = FakeControl(self)
        if first is not None:
            self.channel.frames.put_nowait(first)
        self.connections.put_nowait(self.channel)
        return self.channel

    def say(self, message: Message) -> None:
        self.channel.frames.put_nowait(message)

    def take(self, message: Message) -> None:
        if isinstance(message, Configure):
            self.say(Configured(message.generation, ()))
        elif isinstance(message, Exit):
            self.end()

    def kinds(self) -> list[str]:
        return [message.kind for message in self.told]

    async def _next(self) -> FakeControl:
        return await self.connections.get()

    def end_within(self, seconds: float | None) -> None:
        raise AssertionError("modules have no deadline")

    async def wait_exit(self) -> InstanceExit:
        return await asyncio.shield(self.exit)

    async def kill(self) -> None:
        self.end()

    def end(self) -> None:
        if not self.exit.done():
            self.exit.set_result(InstanceExit(0, None, False))
        self.channel.close()

    async def destroy(self) -> None:
        self.destroyed = True
        self.end()


@dataclass
class FakeRuntime:
    """`refusals`: so many starts are refused first. `absences`: so many adoptions find no engine first."""

    instances: dict[str, FakeInstance] = field(default_factory=dict)
    refusals: int = 0
    absences: int = 0
    attempts: int = 0
    speaks_as: str | None = None
    held: asyncio.Event | None = None
    """No start goes on before it is set."""

    async def start(self, spec: InstanceSpec) -> FakeInstance:
        self.attempts += 1
        if self.held is not None:
            await self.held.wait()
        if self.refusals:
            self.refusals -= 1
            raise EngineRefused(f"no image {spec.image}")
        name = self.speaks_as or spec.role.value
        made = FakeInstance(spec, ModuleReady(name, "1"))
        self.instances[spec.name] = made
        return await made_ready(made)

    async def adopt(self, spec: InstanceSpec) -> FakeInstance | None:
        if self.absences:
            self.absences -= 1
            raise EngineUnreachable("away")
        return self.instances.get(spec.name)

    async def discard(self, name: str) -> None:
        return None

    async def sweep(self, keep: frozenset[str]) -> list[str]:
        return []

    async def idle(self) -> dict[str, str]:
        return {}

    async def image_id(self, image: str) -> str:
        return image

    async def ping(self) -> None:
        return None

    def reachable(self) -> bool:
        return True

    def statistics(self) -> RuntimeStatistics:
        return RuntimeStatistics(0, True, True, 0, 0)

    async def aclose(self) -> None:
        return None


def service(runtime: FakeRuntime, state_dir: Path, times: ModuleTimes = TIMES) -> ModuleService:
    return ModuleService(runtime, dict.fromkeys(ModuleKind, SETTINGS), NO_ENVIRONMENT.get, state_dir, times)


def introduction(run: int) -> Introduction:
    return Introduction(run, "Leader", "{}", {}, 0, 1000)

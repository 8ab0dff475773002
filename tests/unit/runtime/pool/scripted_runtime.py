"""An in-memory runtime that implements the port; for the pool's tests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from genvm_wire.instance_messages import Exit, Ready
from genvm_wire.messages import Message
from orchestrator.clock import sleep
from orchestrator.runtime.conversation import Conversation, made_ready
from orchestrator.runtime.frame_stream import AnyMessage, Reading
from orchestrator.runtime.pool import PoolRuntime, PoolSettings
from orchestrator.runtime.pool.runtime import no_bound
from orchestrator.runtime.port import (
    ChannelClosed,
    EngineRefused,
    EngineUnreachable,
    InstanceDied,
    InstanceExit,
    InstanceSpec,
    Role,
    RuntimeStatistics,
)
from tests.hand_clock import HandClock, settle
from tests.raw_message import carried

READY = Ready("scripted")


class ScriptedControl:
    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.frames: asyncio.Queue[Message | None] = asyncio.Queue()
        self.closed = False
        self.on_exit: Callable[[], None] = lambda: None

    async def send(self, message: Message, fds: Sequence[int] = ()) -> None:
        if self.closed:
            raise ChannelClosed("closed")
        self.sent.append(message)
        if isinstance(message, Exit):
            self.on_exit()

    async def receive(self, read: Reading[AnyMessage]) -> AnyMessage:
        frame = None if self.closed and self.frames.empty() else await self.frames.get()
        if frame is None:
            raise ChannelClosed("ended")
        return carried(frame, read)

    def quiet(self) -> bool:
        return not self.closed and self.frames.empty()

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self.frames.put_nowait(None)


class ScriptedInstance(Conversation):
    def __init__(self, runtime: ScriptedRuntime, spec: InstanceSpec, first: Message | None) -> None:
        super().__init__(self._connected)
        self.runtime = runtime
        self.spec = spec
        self.first = first
        self.destroyed = False
        self.deadlines: list[float | None] = []
        self.channel = ScriptedControl()
        self.channel.on_exit = self.end
        self.exit: asyncio.Future[InstanceExit] = asyncio.get_running_loop().create_future()

    @property
    def engine_id(self) -> str:
        return f"engine-{self.spec.name}"

    async def _connected(self) -> ScriptedControl:
        if self.runtime.silent:
            await self.exit
        if self.first is None:
            raise InstanceDied("it ended before it connected")
        self.channel.frames.put_nowait(self.first)
        return self.channel

    def end_within(self, seconds: float | None) -> None:
        self.deadlines.append(seconds)

    async def wait_exit(self) -> InstanceExit:
        return await asyncio.shield(self.exit)

    async def kill(self) -> None:
        self.end()

    def end(self) -> None:
        if not self.exit.done():
            self.exit.set_result(InstanceExit(None, 9, False))
        self.channel.close()

    async def destroy(self) -> None:
        self.end()
        self.destroyed = True
        self.runtime.wake()
        if self.runtime.destroying_fails:
            raise EngineUnreachable("away")


class ScriptedRuntime:
    """`fails`: each start is refused. `dies`: each instance ends before it is ready; `silent`: it never is.

    A start waits for `gate` and takes `takes` seconds. `room`: for so many instances at once; who has none
    waits, and the first that came is the first that gets some.
    """

    def __init__(self, clock: HandClock) -> None:
        self.clock = clock
        self.takes = 0.0
        self.instances: list[ScriptedInstance] = []
        self.silent = self.fails = self.dies = self.destroying_fails = self.closed = False
        self.first: Message = READY
        self.gate = asyncio.Event()
        self.gate.set()
        self.starting = self.most_starting = self.attempts = 0
        self.room: int | None = None
        self.never: set[str] = set()
        """Names of those that no room is enough for."""
        self.looks = 0
        """How often it was asked for its statistics."""
        self.without_room: dict[str, None] = {}
        self.freed = asyncio.Event()
        self.kept: frozenset[str] = frozenset()
        self.found: dict[str, str] = {}
        self.image_ids: dict[str, str] = {}
        self.away = False

    @property
    def names(self) -> list[str]:
        return [one.spec.name for one in self.instances if not one.destroyed]

    async def start(self, spec: InstanceSpec) -> ScriptedInstance:
        self.attempts += 1
        self.starting += 1
        self.most_starting = max(self.starting, self.most_starting)
        try:
            await self.gate.wait()
            await self._some_room(spec.name)
            if self.takes:
                await sleep(self.clock, self.takes)
        finally:
            self.starting -= 1
        if self.fails:
            raise EngineRefused(f"no image {spec.image}")
        instance = ScriptedInstance(self, spec, None if self.dies else self.first)
        self.instances.append(instance)
        return await made_ready(instance)

    async def _some_room(self, name: str) -> None:
        self.without_room[name] = None
        try:
            while name in self.never or not (self._is_first(name) and self._has_room()):
                await self.freed.wait()
        finally:
            del self.without_room[name]
            self.wake()

    def _is_first(self, name: str) -> bool:
        return name == next(other for other in self.without_room if other not in self.never)

    def _has_room(self) -> bool:
        return self.room is None or len(self.names) < self.room

    def wake(self) -> None:
        freed, self.freed = self.freed, asyncio.Event()
        freed.set()

    async def adopt(self, spec: InstanceSpec) -> ScriptedInstance | None:
        return next((one for one in self.instances if one.spec.name == spec.name), None)

    def left_behind(self, spec: InstanceSpec) -> ScriptedInstance:
        """A ready instance of an earlier manager's; it connects to whoever adopts it."""
        instance = ScriptedInstance(self, spec, self.first)
        self.instances.append(instance)
        self.found[spec.name] = spec.image
        return instance

    async def idle(self) -> Mapping[str, str]:
        return self.found

    async def image_id(self, image: str) -> str:
        if self.away:
            raise EngineUnreachable("away")
        return self.image_ids.get(image, "")

    async def discard(self, name: str) -> None:
        return None

    async def sweep(self, keep: frozenset[str]) -> list[str]:
        self.kept = keep
        return []

    async def ping(self) -> None:
        return None

    def reachable(self) -> bool:
        return True

    def statistics(self) -> RuntimeStatistics:
        self.looks += 1
        without = frozenset(self.without_room)
        return RuntimeStatistics(len(self.names), True, True, 0, 0, without_room=without)

    async def aclose(self) -> None:
        self.closed = True


@dataclass
class Bench:
    """A pool over a scripted runtime."""

    inner: ScriptedRuntime
    clock: HandClock
    pool: PoolRuntime
    reuse: int = 1

    def spec(self, image: str = "a", **changes: object) -> InstanceSpec:
        values: dict[str, object] = {
            "name": "run-7",
            "role": Role.EXECUTOR,
            "image": image,
            "version": "v0.2.7",
            "execution_id": 7,
            "deadline": None,
            "memory_bytes": 1024,
            "cpus": 1.0,
            "pids": 16,
            "reuse": self.reuse,
        }
        return InstanceSpec(**{**values, **changes})  # type: ignore[arg-type]

    async def offer(self, *images: str, known: Sequence[str] = ()) -> None:
        self.pool.offer([self.spec(image) for image in images], [self.spec(image) for image in known])
        await settle()

    @property
    def ready(self) -> int:
        return self.pool.pool_statistics().ready

    def shelved(self) -> list[ScriptedInstance]:
        """The pool's own instances that have not been destroyed, oldest first."""
        return [one for one in self.inner.instances if one.spec.name != "run-7" and not one.destroyed]


def bench(room: Callable[[], int] = no_bound, **settings: Any) -> Bench:
    clock = HandClock()
    inner = ScriptedRuntime(clock)
    sizes = PoolSettings(**settings)
    return Bench(inner, clock, PoolRuntime(inner, sizes, room=room, clock=clock))

"""The executions of one manager over doubles of what is around them, and a clock that stands still."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from tempfile import gettempdir
from typing import Any, cast

from genvm_wire.instance_messages import Ack, Failed, JobMessage, Ready, Result
from genvm_wire.messages import Message
from orchestrator.clock import Clock
from orchestrator.contracts.versions import ExecutorVersion, Number
from orchestrator.executions.dialling import NodeDialler
from orchestrator.executions.limits import RunLimits
from orchestrator.executions.modules import Introduction, Metrics
from orchestrator.executions.node_networks import NetworkRules
from orchestrator.executions.node_sockets import SocketRules
from orchestrator.executions.permits import PermitPool
from orchestrator.executions.request import Call, ModuleUse, RunRequest, Selector
from orchestrator.executions.retention import Retention, RetentionLimits
from orchestrator.executions.service import Executions
from orchestrator.runtime.conversation import Conversation, SocketLine, made_ready
from orchestrator.runtime.frame_stream import AnyMessage, Reading
from orchestrator.runtime.port import ChannelClosed, InstanceExit, InstanceSpec, Line, Loss, MakeJob, Way
from orchestrator.store.port import OutcomeRow
from tests.hand_clock import HandClock
from tests.raw_message import carried

USED: Metrics = {"llm": None, "web": {"requests_count": 1, "requests_time": 5}}
LIMITS = RunLimits(
    longest_run=3600, memory_bytes=1, cpus=1, pids=1, ready_timeout=3600, host_connect_timeout=3600,
    end_grace=1, output_tail_bytes=100, log_records=1,
)  # fmt: skip
KEEP, KEEP_FETCHED = timedelta(seconds=300), timedelta(seconds=30)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
NODES = NodeDialler(SocketRules((gettempdir(),)), NetworkRules(()))
VERSION = ExecutorVersion("v0.2.1", Number(0, 2, 1), NOW, "executor:1", "T15b", "v0.2")


async def turn() -> None:
    await asyncio.sleep(0)


class Channel:
    """An executor that answers its job with a result, and the acknowledgement with its end.

    One that is busy does neither, and hears nothing.
    """

    def __init__(self, instance: Started) -> None:
        self._instance = instance
        self._frames: asyncio.Queue[Message | None] = asyncio.Queue()
        self._frames.put_nowait(Ready("x"))
        self.closed = False
        instance.channel = self

    async def send(self, message: Message, fds: Sequence[int] = ()) -> None:
        await turn()
        if self.closed:
            raise ChannelClosed("closed")
        if isinstance(message, JobMessage) and self._instance.lost is not None:
            self._instance.end()
            raise ChannelClosed("broken pipe")
        if self._instance.busy:
            return
        if isinstance(message, JobMessage):
            failure, result = self._instance.failure, Result(message.run, 0, b"\0\0", True, {})
            self._frames.put_nowait(Failed(message.run, failure, "because") if failure else result)
        elif isinstance(message, Ack):
            self._instance.end()

    async def receive(self, read: Reading[AnyMessage]) -> AnyMessage:
        frame = await self._frames.get()
        if frame is None:
            raise ChannelClosed("ended")
        return carried(frame, read)

    def quiet(self) -> bool:
        return True

    def end(self) -> None:
        """By the other side."""
        self._frames.put_nowait(None)

    def close(self) -> None:
        self.closed = True


class Started(Conversation):
    engine_id = "engine"

    def __init__(
        self, spec: InstanceSpec, destroying: Exception | None, lost: Loss | None, busy: bool = False
    ) -> None:
        super().__init__(self._connected)
        self.spec = spec
        self.lost = lost
        self.busy = busy
        self.failure = ""
        """The class of the `failed` that answers its job; empty: a result does."""
        self.killed = False
        self.destroyed = 0
        self.channel: Channel | None = None
        self._destroying = destroying
        self._exit: asyncio.Future[InstanceExit] = asyncio.get_running_loop().create_future()

    async def _connected(self) -> Channel:
        await turn()
        return Channel(self)

    def end_within(self, seconds: float | None) -> None:
        assert seconds is not None

    async def wait_exit(self) -> InstanceExit:
        return await asyncio.shield(self._exit)

    def end(self) -> None:
        if not self._exit.done():
            self._exit.set_result(InstanceExit(0, None, False, loss=self.lost))
            if self.channel is not None:
                self.channel.end()

    async def kill(self) -> None:
        self.killed = True
        self.end()

    async def destroy(self) -> None:
        await turn()
        self.destroyed += 1
        if self._destroying is not None:
            raise self._destroying


@dataclass
class Engine:
    """Only what a run asks of a runtime. As the port says, a cancelled start leaves nothing."""

    started: list[Started] = field(default_factory=list)
    destroying: Exception | None = None
    losing: Loss | None = None
    busy: bool = False

    async def start(self, spec: InstanceSpec) -> Started:
        await turn()
        self.started.append(Started(spec, self.destroying, self.losing, self.busy))
        return await made_ready(self.started[-1])

    async def discard(self, name: str) -> None:
        await turn()

    async def sweep(self, keep: frozenset[str]) -> list[str]:
        await turn()
        return []


class FarAway(Started):
    """An instance on another machine: its own side dials whom the job is about."""

    async def give(self, job: MakeJob, host: Line, modules: Mapping[str, Line]) -> None:
        await self.control.send(await job())
        self._way = Way.DIRECT


class Forgetful(FarAway):
    """One whose side loses the job, and itself with it; the program, which has heard nothing, comes again."""

    async def give(self, job: MakeJob, host: Line, modules: Mapping[str, Line]) -> None:
        await job()
        self._way = Way.DIRECT
        cast("Channel", self.control).end()


@dataclass
class FarEngine(Engine):
    failure: str = ""
    far: type[Started] = FarAway

    async def start(self, spec: InstanceSpec) -> Started:
        self.started.append(self.far(spec, None, None))
        self.started[-1].failure = self.failure
        return await made_ready(self.started[-1])


@dataclass
class Sessions:
    """Both modules, as one counter."""

    open: int = 0

    async def require(self) -> None:
        await turn()

    async def connect(self, introduction: Introduction, *, required: bool) -> dict[str, Line]:
        self.open += 1
        await turn()
        ours, theirs = socket.socketpair()
        theirs.close()
        return {"web": SocketLine(ours)}

    async def release(self, run_id: int) -> Metrics | None:
        await turn()
        used, self.open = self.open, 0
        return USED if used else None

    def instances(self) -> frozenset[str]:
        return frozenset()


@dataclass
class Rows:
    """A journal in memory."""

    written: list[object] = field(default_factory=list)

    async def write(self, row: object, *, durable: bool = False) -> None:
        await turn()
        self.written.append(row)

    def note(self, row: object) -> None:
        self.written.append(row)

    async def size(self) -> int:
        await turn()
        return len(self.written)

    def of(self, kind: type) -> list[Any]:
        return [row for row in self.written if isinstance(row, kind)]


def request(host: str, seconds: float = 3600) -> RunRequest:
    call = Call(Selector(), NOW, {}, host, host_data="{}", is_sync=False, modules=ModuleUse.REQUIRED)
    return RunRequest(call, permits=2, time_limit=timedelta(seconds=seconds))


@dataclass
class Stage:
    """One manager's executions over the doubles above."""

    engine: Engine = field(default_factory=Engine)
    modules: Sessions = field(default_factory=Sessions)
    rows: Rows = field(default_factory=Rows)
    clock: Clock = field(default_factory=HandClock)

    def __post_init__(self) -> None:
        self.executions = Executions(
            runtime=self.engine,  # type: ignore[arg-type]
            journal=self.rows,  # type: ignore[arg-type]
            choose_version=lambda _: VERSION,
            limits=LIMITS,
            permits=PermitPool(4),
            retention=Retention(RetentionLimits(KEEP, KEEP_FETCHED, 100, 10**6)),
            queue_limit=10,
            queue_bytes=10**9,
            clock=self.clock,
            nodes=NODES,
            modules=self.modules,
        )

    def assert_nothing_is_held(self) -> None:
        assert self.executions.statistics().permits.in_use == 0
        assert self.executions.statistics().waiting_bytes == 0
        assert self.modules.open == 0
        assert [one.destroyed for one in self.engine.started] == [1] * len(self.engine.started)
        assert len(self.rows.of(OutcomeRow)) <= 1

"""A run's last words, whatever await its supervisor is cancelled at: outcome, permits, instance, sessions.

The supervisor of a whole run is cancelled at its first await, its second, and so on, as a manager that leaves
does it; each time everything that was taken has to be given back once, and who waits has to be told.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from genvm_wire.instance_messages import Ack, JobMessage, Ready, Result
from genvm_wire.messages import Message
from orchestrator.contracts.versions import ExecutorVersion, Number
from orchestrator.executions.dialling import NodeDialler
from orchestrator.executions.limits import RunLimits
from orchestrator.executions.modules import Introduction, Metrics
from orchestrator.executions.node_networks import NetworkRules
from orchestrator.executions.node_sockets import SocketRules
from orchestrator.executions.permits import PermitPool
from orchestrator.executions.refusals import ShuttingDown
from orchestrator.executions.request import Call, Manners, ModuleUse, RunRequest, Selector
from orchestrator.executions.retention import Retention, RetentionLimits
from orchestrator.executions.service import Executions
from orchestrator.executions.state import Cause
from orchestrator.runtime.conversation import Conversation, SocketLine, made_ready
from orchestrator.runtime.frame_stream import AnyMessage, Reading
from orchestrator.runtime.port import ChannelClosed, InstanceExit, InstanceSpec, Line, Loss, MakeJob
from orchestrator.store.port import AcceptedRow, OutcomeRow
from tests.cancelling import Moment, at, at_every_await
from tests.raw_message import carried

USED: Metrics = {"llm": None, "web": {"requests_count": 1, "requests_time": 5}}
LIMITS = RunLimits(
    longest_run=3600, memory_bytes=1, cpus=1, pids=1, ready_timeout=3600, host_connect_timeout=3600,
    end_grace=1, output_tail_bytes=100, log_records=1,
)  # fmt: skip
NOW = datetime(2026, 1, 1, tzinfo=UTC)
NODES = NodeDialler(SocketRules((gettempdir(),)), NetworkRules(()))
VERSION = ExecutorVersion("v0.2.1", Number(0, 2, 1), NOW, "executor:1", "T15b", "v0.2")


async def turn() -> None:
    await asyncio.sleep(0)


class Channel:
    """An executor that answers its job with a result, and the acknowledgement with its end."""

    def __init__(self, instance: Started) -> None:
        self._instance = instance
        self._frames: asyncio.Queue[Message | None] = asyncio.Queue()
        self._frames.put_nowait(Ready("x"))
        self.closed = False

    async def send(self, message: Message, fds: Sequence[int] = ()) -> None:
        await turn()
        if self.closed:
            raise ChannelClosed("closed")
        if isinstance(message, JobMessage) and self._instance.lost is not None:
            self._instance.end()
            raise ChannelClosed("broken pipe")
        if isinstance(message, JobMessage):
            self._frames.put_nowait(Result(message.run, 0, b"\0\0", True, {}))
        elif isinstance(message, Ack):
            self._instance.end()
            self._frames.put_nowait(None)

    async def receive(self, read: Reading[AnyMessage]) -> AnyMessage:
        frame = await self._frames.get()
        if frame is None:
            raise ChannelClosed("ended")
        return carried(frame, read)

    def quiet(self) -> bool:
        return True

    def close(self) -> None:
        self.closed = True


class Started(Conversation):
    engine_id = "engine"

    def __init__(self, spec: InstanceSpec, destroying: Exception | None, lost: Loss | None) -> None:
        super().__init__(self._connected)
        self.spec = spec
        self.lost = lost
        self.destroyed = 0
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

    async def kill(self) -> None:
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

    async def start(self, spec: InstanceSpec) -> Started:
        await turn()
        self.started.append(Started(spec, self.destroying, self.losing))
        return await made_ready(self.started[-1])

    async def discard(self, name: str) -> None:
        await turn()


class FarAway(Started):
    """An instance on another machine: its own side dials whom the job is about."""

    async def give(self, job: MakeJob, host: Line, modules: Mapping[str, Line]) -> None:
        await self.control.send(await job())


class FarEngine(Engine):
    async def start(self, spec: InstanceSpec) -> Started:
        self.started.append(FarAway(spec, None, None))
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

    def of(self, kind: type) -> list[Any]:
        return [row for row in self.written if isinstance(row, kind)]


@pytest.fixture
def node() -> Iterator[socket.socket]:
    """A node's listening socket."""
    with TemporaryDirectory(prefix="node") as directory, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(Path(directory) / "host.sock"))
        listener.listen(1000)
        yield listener


@pytest.fixture
def host(node: socket.socket) -> str:
    return f"unix://{node.getsockname()}"


def request(host: str) -> RunRequest:
    call = Call(Selector(), NOW, {}, host, host_data="{}", is_sync=False, modules=ModuleUse.REQUIRED)
    return RunRequest(call, permits=2, time_limit=timedelta(hours=1))


@dataclass
class Stage:
    """One manager's executions over the doubles above."""

    engine: Engine = field(default_factory=Engine)
    modules: Sessions = field(default_factory=Sessions)
    rows: Rows = field(default_factory=Rows)

    def __post_init__(self) -> None:
        self.executions = Executions(
            runtime=self.engine,  # type: ignore[arg-type]
            journal=self.rows,  # type: ignore[arg-type]
            choose_version=lambda _: VERSION,
            limits=LIMITS,
            permits=PermitPool(4),
            retention=Retention(RetentionLimits(timedelta(1), timedelta(1), 100, 10**6)),
            queue_limit=10,
            queue_bytes=10**9,
            now=lambda: NOW,
            nodes=NODES,
            modules=self.modules,
        )

    def assert_nothing_is_held(self) -> None:
        assert self.executions.statistics().permits.in_use == 0
        assert self.executions.statistics().waiting_bytes == 0
        assert self.modules.open == 0
        assert [one.destroyed for one in self.engine.started] == [1] * len(self.engine.started)
        assert len(self.rows.of(OutcomeRow)) <= 1


async def test_a_run_cancelled_at_any_await_gives_back_all_and_is_told_of(host: str) -> None:
    causes = set()

    async def scene(moment: Moment) -> None:
        stage, before = Stage(), asyncio.all_tasks()
        async with at(moment):
            try:
                run = await stage.executions.submit(request(host))
            except ShuttingDown:
                assert moment.reached
                run = None
            await stage.executions.aclose() if moment.reached else await stage.executions.shut_down(
                drain=3600, grace=0
            )
        stage.assert_nothing_is_held()
        if run is not None and stage.rows.of(OutcomeRow):
            causes.add(run.execution.outcome and run.execution.outcome.cause)
        # One that has been begun has an outcome; one that has not is the next manager's.
        assert bool(stage.rows.of(OutcomeRow)) or not stage.engine.started
        assert not stage.engine.started or stage.rows.of(AcceptedRow)
        while asyncio.all_tasks() != before:
            await turn()

    assert await at_every_await({"_accept"}, scene) > 10
    assert causes == {Cause.SHUTDOWN, Cause.EXITED}


async def test_an_instance_that_cannot_be_taken_away_for_a_defect_keeps_no_permits(host: str) -> None:
    stage = Stage(Engine(destroying=TypeError("a defect")))
    with structlog.testing.capture_logs() as logs:
        run = await stage.executions.submit(request(host))
        await stage.executions.shut_down(drain=3600, grace=0)
    assert "instance_not_taken_away" in [line["event"] for line in logs]
    assert run.execution.outcome is not None
    assert run.execution.outcome.metrics == USED
    stage.assert_nothing_is_held()


async def test_an_instance_that_is_lost_while_its_job_is_sent_says_by_its_engine_how(host: str) -> None:
    stage = Stage(Engine(losing=Loss.ENGINE_RESTART))
    run = await stage.executions.submit(request(host))
    await stage.executions.shut_down(drain=3600, grace=0)
    outcome = run.execution.outcome
    assert outcome is not None
    assert (outcome.cause, outcome.reason) == (Cause.ENGINE, Loss.ENGINE_RESTART)
    stage.assert_nothing_is_held()


async def test_a_runtime_may_have_the_other_side_dial(host: str, node: socket.socket) -> None:
    """Then this side connects to nobody, and the ways that were not used are let go."""
    stage = Stage(FarEngine())
    run = await stage.executions.submit(request(host))
    await stage.executions.shut_down(drain=3600, grace=0)
    outcome = run.execution.outcome
    assert outcome is not None
    assert (outcome.cause, run.execution.dialled, outcome.host_connected) == (Cause.EXITED, True, True)
    node.setblocking(False)
    with pytest.raises(BlockingIOError):
        node.accept()
    stage.assert_nothing_is_held()


async def test_who_waits_for_a_run_to_be_accepted_is_told_that_the_manager_leaves(host: str) -> None:
    stage = Stage()
    waiting = asyncio.create_task(stage.executions.submit(request(host)))
    while not stage.executions.live():
        await turn()
    await stage.executions.aclose()
    with pytest.raises(ShuttingDown):
        await waiting


async def test_a_run_that_came_before_the_queue_is_opened_again_lives_once(host: str) -> None:
    """Only what was taken over waits for that."""
    stage = Stage()
    wanted = [
        replace(request(host), permits=4, idempotency_key=key, manners=Manners(one_run_per_host=False))
        for key in ("runs", "waits")
    ]
    with capture_logs() as lines:
        submitting = [asyncio.create_task(stage.executions.submit(one)) for one in wanted]
        while stage.executions.statistics().permits.waiting == 0:
            await turn()
        stage.executions.reopen_queue()
        await stage.executions.shut_down(drain=3600, grace=0)
        await asyncio.gather(*submitting)
    assert [line["event"] for line in lines if line["log_level"] != "info"] == []
    assert len(stage.rows.of(OutcomeRow)) == 2
    assert stage.executions.statistics().permits.in_use == 0

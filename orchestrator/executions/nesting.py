"""Calls between contracts of different lines: callees run in instances of their own (host-protocol 10).

The caller waits for it in its instance. The callee takes no permit, has the caller's deadline, dials the same
node once more, and may do nothing but read and call on, six deep in all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from typing import assert_never

import structlog

from genvm_wire.calldata import CalldataError, decode, encode
from genvm_wire.host_tables import HOST_TABLES
from genvm_wire.instance_messages import (
    Compiled,
    Failed,
    Finishing,
    JobMessage,
    Log,
    Nest,
    Nested,
    Output,
    Ready,
    Result,
    Resume,
    Source,
    WantCode,
    from_instance,
)
from genvm_wire.results import ResultError, parse
from orchestrator import descriptors
from orchestrator.aside import aside
from orchestrator.contracts.versions import ExecutorVersion, Number, VersionFailure
from orchestrator.executions.codes import CodeQuestions, Codes
from orchestrator.executions.hand_over import HandOver, NodeLine
from orchestrator.executions.hosts import HostFailure
from orchestrator.executions.job import MOST_NESTED, host_table, job_message
from orchestrator.executions.orders import Ended
from orchestrator.executions.persistence import persistently
from orchestrator.executions.ready_instances import ReadyInstances
from orchestrator.executions.request import ModuleUse, RunRequest, Selector
from orchestrator.executions.run import Run
from orchestrator.runtime.port import (
    ChannelClosed,
    Instance,
    InstanceSpec,
    ProtocolBroken,
    Runtime,
    RuntimeFailure,
)
from orchestrator.tasks import cancel_and_wait, finish

log = structlog.get_logger(__name__)

FAILED = "InternalError"
CalleeResult = tuple[str, bytes]
"""A result's kind, and its data as calldata."""
MOST_RESULT = 8 * 1024 * 1024
"""Bytes of a callee's result: it is taken apart and put together again for its caller."""
SAID_ON_FAILURE = "cross-major nested run failed"
"""What the reference says of any failure; the log says which."""
_NUMBERS = count(1)


class NestingFailure(Exception):
    """The nested run came to no end; the text says why."""


@dataclass(frozen=True, slots=True)
class NestedRuns:
    """Serves the nested runs of all runs.

    `choose` gives the version for a request; `spec` what to start for a run, under a name; an instance that
    is ready again goes back into the `pool`.
    """

    runtime: Runtime
    choose: Callable[[RunRequest], ExecutorVersion]
    hand_over: HandOver
    spec: Callable[[Run, str, ExecutorVersion], InstanceSpec]
    pool: ReadyInstances
    codes: Codes | None = None

    async def answer(self, run: Run, said: Nest, deep: int, failed: Callable[[str], None]) -> Nested:
        """How the callee ended; never raises for anything that happens to it. `deep`: from 1.

        `failed` is told why it came to no end.
        """
        try:
            result = await self._result(run, said, deep)
        except (NestingFailure, VersionFailure, HostFailure, RuntimeFailure, Ended) as failure:
            failed(str(failure) or type(failure).__name__)
            return Nested(run.id, said.call, FAILED, encode(SAID_ON_FAILURE))
        except Exception:
            # Without an answer the caller would wait for it until its deadline, and nobody would know why.
            log.exception("nested_run_defect", deep=deep)
            return Nested(run.id, said.call, FAILED, encode(SAID_ON_FAILURE))
        return Nested(run.id, said.call, *result)

    async def _result(self, run: Run, said: Nest, deep: int) -> CalleeResult:
        if deep > MOST_NESTED:
            raise NestingFailure(f"more than {MOST_NESTED} runs inside runs")
        request = _request(run, said)
        version = self.choose(request)
        with await descriptors.lease():
            spec = self.spec(run, f"nested-{run.id}-{next(_NUMBERS)}", version)
            instance = await self.runtime.start(replace(spec, awaited=True))
        kept = False
        try:
            job = partial(self._job, run, request, version, said, deep)
            seconds = self.hand_over.limits.host_connect_timeout
            line = NodeLine(run, self.hand_over.nodes, seconds, self.hand_over.lead)
            self.hand_over.bound(run, instance)
            await instance.give(job, line, {})
            result = await self._read(run, instance, request, version, deep)
            again = await instance.acknowledge(run.id, run.times.acknowledged)
            kept = again and self.pool.take_back(instance)
            return result
        finally:
            if not kept:
                await finish(_removed(instance), run.times.letting_go)

    async def _job(
        self, run: Run, request: RunRequest, version: ExecutorVersion, said: Nest, deep: int
    ) -> JobMessage:
        """Its own like any other's, but for what it takes over."""
        job = job_message(run.id, request, version, self.hand_over.job_limits(run))
        nested = {"view": said.view, "stack": list(said.stack)}
        return job.but(nested=nested, nests=MOST_NESTED - deep, codes=self.codes is not None)

    async def _read(
        self, run: Run, instance: Instance, request: RunRequest, version: ExecutorVersion, deep: int
    ) -> CalleeResult:
        """Read to its result; what it prints is nobody's, what it logs is the caller's."""
        calls = NestedCalls(self, run, instance, deep)
        codes = CodeQuestions(self.codes, run.id, instance)
        try:
            while True:
                match await instance.control.receive(from_instance):
                    case Result(run=run.id, payload=payload):
                        reading = partial(_read_result, payload, host_table(request, version))
                        return await aside(len(payload), reading)
                    case Failed(message=text):
                        raise NestingFailure(text)
                    case Nest() as call:
                        calls.take(call)
                    case WantCode() | Source() as about_code:
                        codes.take(about_code)
                    case Output() | Log() | Finishing():
                        pass
                    case Ready() | Resume() | Result() | Compiled() as other:
                        raise ProtocolBroken(f"{other.kind!r} in a nested run")
                    case missed:
                        assert_never(missed)
        finally:
            await calls.aclose()
            await codes.aclose()


def _request(run: Run, said: Nest) -> RunRequest:
    """What the callee's run is: nothing that it does may have an effect. Raises NestingFailure."""
    message = said.message
    if message.get("is_init") or message.get("value"):
        raise NestingFailure("a nested run neither deploys nor takes money")
    call = replace(
        run.request.call,
        selector=_selector(run, said.route),
        message=message,
        host_data="{}",
        is_sync=True,
        calldata=said.calldata,
        code=None,
        permissions="c" if said.may_call else "",
        modules=ModuleUse.NONE,
        leader_nondet_results=(),
    )
    return replace(run.request, call=call)


def _selector(run: Run, route: str | bytes) -> Selector:
    """From a line, or from what the node said (host-protocol 10). Raises NestingFailure."""
    if isinstance(route, str):
        return Selector(major=Number.of_run(run.execution.version).major, line=route)
    try:
        match decode(route):
            case {"kind": "major", "major": int() as major}:
                return Selector(major=major)
            case {"kind": "version", "version": str() as version}:
                return Selector(version=version)
    except CalldataError:
        pass
    raise NestingFailure("the node named an executor neither by its major nor by its version")


def _read_result(payload: bytes, table: str) -> CalleeResult:
    if len(payload) > MOST_RESULT:
        raise NestingFailure(f"a result of {len(payload)} bytes; {MOST_RESULT} are allowed")
    try:
        result = parse(payload, HOST_TABLES[table].result_form)
        return result.kind, encode(result.data)
    except ResultError as error:
        raise NestingFailure(f"the result cannot be read: {error}") from None


async def _removed(instance: Instance) -> None:
    instance.hang_up()
    await persistently(instance.destroy, RuntimeFailure)


class NestedCalls:
    """What one instance has asked for: one call at a time."""

    def __init__(self, nesting: NestedRuns, run: Run, instance: Instance, deep: int = 0) -> None:
        self._nesting, self._run, self._instance, self._deep = nesting, run, instance, deep
        self._call = -1
        self._failed = 0
        self._task: asyncio.Task[None] | None = None

    def take(self, said: Nest) -> None:
        """Serve it, unless it is being served. Raises ProtocolBroken for a second one meanwhile."""
        if said.run != self._run.id:
            raise ProtocolBroken("a call of another run")
        running = self._task is not None and not self._task.done()
        if running and said.call != self._call:
            raise ProtocolBroken("a nested run within the time of another")
        if not running:
            self._call = said.call
            self._task = asyncio.create_task(self._serve(said), name=f"run-{self._run.id}:nested")

    async def _serve(self, said: Nest) -> None:
        answer = await self._nesting.answer(self._run, said, self._deep + 1, self._note_failure)
        with suppress(ChannelClosed):
            # It asks again once it is connected again.
            await self._instance.control.send(answer)

    def _note_failure(self, why: str) -> None:
        """The 1st, 2nd, 4th, 8th …: an instance that asks for nonsense for ever does not fill the log."""
        self._failed += 1
        if self._failed.bit_count() == 1:
            log.warning("nested_run_failed", error=why, deep=self._deep + 1, failed=self._failed)

    async def aclose(self) -> None:
        """End what still runs."""
        if self._task is not None:
            await cancel_and_wait(self._task)

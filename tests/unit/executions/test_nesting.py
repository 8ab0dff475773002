"""Runs inside a run: what they are started with, what becomes of them, and that nothing of them is left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from structlog.testing import capture_logs

from genvm_wire.calldata import Address, decode, encode
from genvm_wire.host_tables import ResultForm
from genvm_wire.instance_messages import JobMessage, Nest, Nested, Result
from genvm_wire.messages import Message
from genvm_wire.results import ResultCode, RunResult, build
from orchestrator.executions.state import Cause
from orchestrator.executions.verdict import EndOrder
from orchestrator.runtime.conversation import made_ready
from orchestrator.runtime.port import InstanceSpec
from tests.unit.executions.heart_stage import Channel, Engine, Stage, Started, request, turn
from tests.until import until

CALLEE, CALLER = Address(b"\xca" * 20), Address(b"\xa0" * 20)
FIVE = build(RunResult(code=ResultCode.RETURN, data=5), ResultForm.B1)
LATE = build(RunResult(code=ResultCode.VM_ERROR, data="timeout"), ResultForm.B1)
FAILED = ("InternalError", "cross-major nested run failed")


def call(number: int = 1, route: str | bytes = "v0.3", **message: Any) -> Nest:
    said = {"contract_address": CALLEE, "value": 0, "is_init": False} | message
    return Nest(1, number, route, said, encode({"": "go"}), 2, [CALLER], True)


@dataclass
class Nesting(Engine):
    """Its first instance asks for `calls` before it has its result; the others answer with `callee`."""

    calls: list[Nest] = field(default_factory=list)
    callee: bytes = FIVE
    jobs: list[JobMessage] = field(default_factory=list)
    answers: list[Nested] = field(default_factory=list)
    callee_waits: bool = False
    more: int = 0
    """So many times it asks once more, when it has been answered."""

    async def start(self, spec: InstanceSpec) -> Started:
        await turn()
        self.started.append(Calling(spec, self))
        return await made_ready(self.started[-1])


class Calling(Started):
    def __init__(self, spec: InstanceSpec, engine: Nesting) -> None:
        super().__init__(spec, None, None)
        self.engine = engine

    async def _connected(self) -> Channel:
        return Talk(self, self.engine)


class Talk(Channel):
    def __init__(self, instance: Started, engine: Nesting) -> None:
        super().__init__(instance)
        self._engine = engine

    async def send(self, message: Message, fds: Sequence[int] = ()) -> None:
        engine = self._engine
        if isinstance(message, JobMessage):
            engine.jobs.append(message)
            if message.nested is None:
                for one in engine.calls:
                    self._frames.put_nowait(one)
            elif not engine.callee_waits:
                self._frames.put_nowait(Result(message.run, engine.callee[0], engine.callee, False, {}))
        elif isinstance(message, Nested):
            engine.answers.append(message)
            if len(engine.answers) <= engine.more:
                self._frames.put_nowait(call(message.call + 1, value=1))
                return
            self._frames.put_nowait(Result(message.run, 0, b"\0\0", True, {}))
        else:
            await super().send(message, fds)


async def ended(engine: Nesting, host: str) -> Stage:
    stage = Stage(engine)
    await stage.executions.submit(request(host))
    await stage.executions.shut_down(drain=3600, grace=0)
    stage.assert_nothing_is_held()
    return stage


async def test_the_callee_has_an_instance_of_its_own_under_the_callers_terms(host: str) -> None:
    engine = Nesting(calls=[call()])
    await ended(engine, host)
    caller, callee = engine.jobs
    assert [(one.result, decode(one.value)) for one in engine.answers] == [("Return", 5)]
    assert (caller.nests, callee.nests) == (6, 5)
    assert callee.nested == {"view": 2, "stack": [CALLER]}
    assert (callee.is_sync, callee.permissions, callee.sockets) == (True, "c", ["host"])
    assert 0 < callee.deadline_ms <= caller.deadline_ms
    assert callee.message["contract_address"] == CALLEE


@pytest.mark.parametrize(
    ("said", "callee", "answer"),
    [
        (call(value=1), FIVE, FAILED),
        (call(is_init=True), FIVE, FAILED),
        (call(route=b"\xff"), FIVE, FAILED),
        (call(route=encode({"kind": "other"})), FIVE, FAILED),
        (call(route=encode({"kind": "major", "major": 0})), FIVE, ("Return", 5)),
        (call(route=encode({"kind": "version", "version": "v0.2.1"})), FIVE, ("Return", 5)),
        (call(), b"\0\0", FAILED),
        (
            call(),
            build(RunResult(code=ResultCode.VM_ERROR, data="timeout"), ResultForm.B1),
            ("VmError", "timeout"),
        ),
    ],
)
async def test_whatever_goes_wrong_is_an_answer(
    host: str, said: Nest, callee: bytes, answer: tuple[str, Any]
) -> None:
    engine = Nesting(calls=[said], callee=callee)
    await ended(engine, host)
    assert [(one.result, decode(one.value)) for one in engine.answers] == [answer]


async def test_one_that_asks_for_nonsense_again_and_again_does_not_fill_the_log(host: str) -> None:
    engine = Nesting(calls=[call(value=1)], more=99)
    with capture_logs() as lines:
        await ended(engine, host)
    assert len(engine.answers) == 100
    told = [line["failed"] for line in lines if line["event"] == "nested_run_failed"]
    assert told == [1, 2, 4, 8, 16, 32, 64]


@dataclass
class Defective(Nesting):
    """What starts its second instance is wrong in a way that nobody thought of."""

    async def start(self, spec: InstanceSpec) -> Started:
        if self.started:
            raise LookupError(spec.name)
        return await super().start(spec)


async def test_a_defect_on_the_way_to_the_callee_is_an_answer_too_and_is_told(host: str) -> None:
    engine = Defective(calls=[call()])
    with capture_logs() as said:
        await ended(engine, host)
    assert [(one.result, decode(one.value)) for one in engine.answers] == [FAILED]
    assert [one["event"] for one in said if one["log_level"] == "error"] == ["nested_run_defect"]


async def test_the_end_of_the_caller_is_the_end_of_the_callee(host: str) -> None:
    engine = Nesting(calls=[call()], callee_waits=True)
    stage = Stage(engine)
    run = await stage.executions.submit(request(host))
    await until(lambda: len(engine.jobs) >= 2)
    run.order_end(EndOrder(Cause.CANCELLED, 0))
    engine.started[0].end()
    await run.released
    await stage.executions.shut_down(drain=3600, grace=0)
    stage.assert_nothing_is_held()


async def test_the_same_call_said_again_is_served_once(host: str) -> None:
    engine = Nesting(calls=[call(), call()])
    await ended(engine, host)
    assert len(engine.jobs) == 2


async def test_two_calls_at_once_break_the_protocol(host: str) -> None:
    engine = Nesting(calls=[call(1), call(2)], callee_waits=True)
    stage = Stage(engine)
    run = await stage.executions.submit(request(host))
    outcome = await run.concluded
    await stage.executions.shut_down(drain=3600, grace=0)
    stage.assert_nothing_is_held()
    assert (outcome.cause, engine.answers) == (Cause.PROTOCOL, [])

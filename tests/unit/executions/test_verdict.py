"""From what was seen to an outcome, as a table."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from orchestrator.executions.state import Cause
from orchestrator.executions.verdict import EndOrder, FailureReport, Report, ResultReport, judge
from orchestrator.runtime.port import InstanceExit, Loss

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RETURNED = ResultReport(0, b"\0\0", delivered=True)
TIMED_OUT = ResultReport(2, b"\x02\x0e\x04data<timeout", delivered=True)
CANCEL = EndOrder(Cause.CANCELLED, 0)
DEADLINE = EndOrder(Cause.DEADLINE, 0)
UPSTREAM = FailureReport(Cause.UPSTREAM, "host went away")
CLEAN = InstanceExit(0, None, oom_killed=False)
CRASH = InstanceExit(3, None, oom_killed=False)
OOM = InstanceExit(137, 9, oom_killed=True)
KILLED = InstanceExit(None, 9, oom_killed=False)
LOST = InstanceExit(None, None, oom_killed=False, detail="gone", loss=Loss.CONTAINER_LOST)
RESTARTED = InstanceExit(137, 9, oom_killed=False, detail="restarted", loss=Loss.ENGINE_RESTART)
ALARM = InstanceExit(None, 14, oom_killed=False)


@pytest.mark.parametrize(
    ("report", "exit_", "order", "cause"),
    [
        pytest.param(RETURNED, None, None, Cause.EXITED, id="result"),
        pytest.param(RETURNED, None, CANCEL, Cause.EXITED, id="a result outlives a cancel that came late"),
        pytest.param(TIMED_OUT, None, CANCEL, Cause.CANCELLED, id="cancelled, and the executor obeyed"),
        pytest.param(TIMED_OUT, None, DEADLINE, Cause.DEADLINE, id="deadline, and the executor obeyed"),
        pytest.param(None, KILLED, CANCEL, Cause.CANCELLED, id="cancelled, killed"),
        pytest.param(None, KILLED, DEADLINE, Cause.DEADLINE, id="deadline, killed"),
        pytest.param(None, OOM, CANCEL, Cause.OOM, id="out of memory before the kill"),
        pytest.param(None, OOM, None, Cause.OOM, id="out of memory"),
        pytest.param(None, KILLED, None, Cause.SIGNAL, id="killed by somebody else"),
        pytest.param(None, ALARM, None, Cause.DEADLINE, id="ended itself at its deadline"),
        pytest.param(None, CRASH, None, Cause.EXITED, id="crash"),
        pytest.param(None, CLEAN, None, Cause.EXITED, id="exit without a result"),
        pytest.param(None, None, None, Cause.ENGINE, id="nobody knows"),
        pytest.param(None, LOST, None, Cause.ENGINE, id="the engine lost the container"),
        pytest.param(None, RESTARTED, None, Cause.ENGINE, id="the engine was restarted"),
        pytest.param(RETURNED, LOST, None, Cause.EXITED, id="a result outlives its container"),
        pytest.param(None, LOST, CANCEL, Cause.CANCELLED, id="an order comes before a loss"),
        pytest.param(UPSTREAM, LOST, None, Cause.ENGINE, id="a loss explains what the executor saw"),
        pytest.param(UPSTREAM, CRASH, None, Cause.UPSTREAM, id="the executor tells why"),
        pytest.param(UPSTREAM, CRASH, DEADLINE, Cause.DEADLINE, id="an order explains a broken host"),
    ],
)
def test_the_cause(
    report: Report | None, exit_: InstanceExit | None, order: EndOrder | None, cause: Cause
) -> None:
    outcome = judge(NOW, host_connected=True, report=report, exit_=exit_, order=order)
    assert outcome.cause is cause
    assert outcome.oom_killed is (cause is Cause.OOM)
    assert (outcome.error is None) is (outcome.result is not None)


@pytest.mark.parametrize(
    ("report", "exit_", "order", "reason", "error"),
    [
        pytest.param(None, LOST, None, "container_lost", "gone", id="the container"),
        pytest.param(None, RESTARTED, None, "engine_restart", "restarted", id="the engine"),
        pytest.param(None, LOST, CANCEL, None, "ended by order: cancelled", id="not where an order ended it"),
        pytest.param(RETURNED, LOST, None, None, None, id="not where there is a result"),
    ],
)
def test_what_was_lost_is_the_reason(
    report: Report | None, exit_: InstanceExit, order: EndOrder | None, reason: str | None, error: str | None
) -> None:
    outcome = judge(NOW, host_connected=True, report=report, exit_=exit_, order=order)
    assert (outcome.reason, outcome.error) == (reason, error)

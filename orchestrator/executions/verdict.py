"""From what was seen of an ended run to its outcome. Pure."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from orchestrator.executions.state import Cause, Outcome
from orchestrator.runtime.port import InstanceExit

VM_ERROR = 2
TIMEOUT_TEXT = b"timeout"

REPORTED_CLASSES: Mapping[str, Cause] = {
    "upstream": Cause.UPSTREAM,
    "protocol": Cause.PROTOCOL,
    "internal": Cause.INTERNAL,
    # An instance whose program is another process outlives its crash.
    "signal": Cause.SIGNAL,
    "exited": Cause.EXITED,
}


@dataclass(frozen=True, slots=True)
class EndOrder:
    """Somebody decided that a run ends: why, and how long it may take until SIGKILL, in seconds."""

    cause: Cause
    grace: float


@dataclass(frozen=True, slots=True)
class ResultReport:
    """The executor's `result`."""

    code: int
    payload: bytes
    delivered: bool
    stats: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FailureReport:
    """The executor's `failed`, or what the manager found instead of a report."""

    cause: Cause
    message: str
    reason: str | None = None
    unreached: bool = False
    """The instance's side was to dial the node, and could not."""


Report = ResultReport | FailureReport


def judge(
    at: datetime,
    *,
    host_connected: bool,
    report: Report | None = None,
    exit_: InstanceExit | None = None,
    order: EndOrder | None = None,
) -> Outcome:
    """The outcome at time `at` from the executor's report, the instance's exit and the order to end, if any.

    A result outlives everything. Without one, what the kernel did (out of memory) comes before what somebody
    ordered, and an order before the executor's own account of its failure.
    """
    if isinstance(report, ResultReport):
        ended_by_order = order is not None and report.code == VM_ERROR and TIMEOUT_TEXT in report.payload
        return Outcome(
            cause=order.cause if order is not None and ended_by_order else Cause.EXITED,
            finished_at=at,
            result=report.payload,
            delivered=report.delivered,
            exit_code=0,
            host_connected=host_connected,
            stats=report.stats,
        )
    cause, error = _without_result(report, exit_, order)
    return Outcome(
        cause=cause,
        finished_at=at,
        exit_code=exit_.exit_code if exit_ else None,
        oom_killed=exit_.oom_killed if exit_ else False,
        host_connected=host_connected,
        # A database may refuse NUL in a text, nothing takes half a surrogate pair, and anything may be said.
        error=error.replace("\0", "\ufffd").encode(errors="replace").decode(),
        reason=_reason(cause, report, exit_),
    )


def _reason(cause: Cause, report: FailureReport | None, exit_: InstanceExit | None) -> str | None:
    if cause is Cause.ENGINE and exit_ is not None and exit_.loss is not None:
        return exit_.loss
    return report.reason if report is not None and report.cause is cause else None


def _without_result(
    report: FailureReport | None, exit_: InstanceExit | None, order: EndOrder | None
) -> tuple[Cause, str]:
    if exit_ is not None and exit_.oom_killed:
        return Cause.OOM, "the instance was killed at its memory limit"
    if order is not None:
        return order.cause, f"ended by order: {order.cause}"
    if exit_ is not None and exit_.loss is not None:
        return Cause.ENGINE, exit_.detail
    if report is not None:
        return report.cause, report.message
    if exit_ is None or (exit_.exit_code is None and exit_.signal is None):
        return Cause.ENGINE, "the instance is gone, and it is not known how it ended"
    if exit_.signal == signal.SIGALRM:
        return Cause.DEADLINE, "the instance ended itself at its deadline"
    if exit_.signal is not None:
        return Cause.SIGNAL, f"the instance was ended by signal {exit_.signal}"
    return Cause.EXITED, f"the instance exited with code {exit_.exit_code} without a result"

"""Runs that are over, as traces tell of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from orchestrator.executions.state import Cause, Execution, Outcome, State
from orchestrator.executions.steps import StartPath, Step
from orchestrator.executions.trace import Trace
from orchestrator.runtime.port import Way
from orchestrator.traces.story import Story

ACCEPTED = datetime(2026, 11, 29, 12, 0, 0, 123456, UTC)
SECOND = 1_000_000_000
STEPS = {
    Step.ACCEPT: 0.25,
    Step.QUEUE: 1.0,
    Step.RESOLVE: 0.125,
    Step.INSTANCE: 0.5,
    Step.MODULES: 0.25,
    Step.COMMIT: 0.125,
    Step.HAND_OVER: 0.25,
    Step.RUN: 4.0,
    Step.RECORD: 0.25,
    Step.TAKE_AWAY: 0.5,
}
CLIENT = Trace("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", sampled=True)


def story(outcome: dict[str, Any] | None = None, **changes: Any) -> Story:
    """A run that went well, but for what a test changes."""
    ended = replace(
        Outcome(Cause.EXITED, ACCEPTED + timedelta(seconds=6.5), b"\0rest", host_connected=True),
        **(outcome or {}),
    )
    execution = Execution(
        7,
        ACCEPTED,
        ACCEPTED + timedelta(minutes=20),
        state=State.FINISHED,
        version="v0.2.12",
        engine_id="c0ffee",
        instance="genvm-7",
        outcome=ended,
    )
    plain = Story(CLIENT, execution, ended, STEPS, "default", 2, StartPath.WARM, Way.DIRECT, 0, False)
    return replace(plain, **changes)

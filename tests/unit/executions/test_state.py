"""The state machine of an execution."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.executions.state import (
    ALLOWED,
    Admitted,
    Cause,
    Concluded,
    Event,
    Execution,
    ImpossibleTransition,
    Outcome,
    Released,
    Resolved,
    Started,
    State,
    advance,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
QUEUED = Execution(1, NOW, NOW + timedelta(minutes=20))
EVENTS: tuple[Event, ...] = (
    Admitted(2),
    Resolved("v0.2.7"),
    Started(NOW, "container"),
    Concluded(Outcome(Cause.EXITED, NOW)),
    Concluded(Outcome(Cause.CANCELLED, NOW)),
    Released(),
)


def after(*events: Event) -> Execution:
    execution = QUEUED
    for event in events:
        execution = advance(execution, event)
    return execution


def test_a_whole_life_ends_finished_without_permits() -> None:
    ended = after(
        Admitted(2),
        Resolved("v"),
        Started(NOW, "c"),
        Concluded(Outcome(Cause.EXITED, NOW, result=b"\0\0")),
        Released(),
    )
    assert (ended.state, ended.permits_held) == (State.FINISHED, 0)


def test_an_outcome_is_readable_while_the_instance_is_taken_away() -> None:
    run = after(Admitted(1), Resolved("v"), Started(NOW, "c"), Concluded(Outcome(Cause.EXITED, NOW)))
    assert run.state is State.FINISHING
    assert run.outcome is not None
    assert run.permits_held == 1


@pytest.mark.parametrize(
    ("cause", "state"),
    [
        (Cause.CANCELLED, State.FINISHED),
        (Cause.DEADLINE, State.FINISHED),
        (Cause.SHUTDOWN, State.FINISHED),
        (Cause.UPSTREAM, State.FAILED_TO_START),
        (Cause.ENGINE, State.FAILED_TO_START),
    ],
)
def test_a_run_that_never_started_failed_unless_it_was_ended_on_purpose(cause: Cause, state: State) -> None:
    assert after(Concluded(Outcome(cause, NOW))).state is state
    assert after(Admitted(1), Concluded(Outcome(cause, NOW)), Released()).state is state


def test_every_state_has_a_row_in_the_table() -> None:
    assert set(ALLOWED) == set(State)


def test_final_states_take_nothing() -> None:
    assert all(not ALLOWED[state] for state in State if state.final)


@given(st.lists(st.sampled_from(EVENTS), max_size=12))
def test_no_sequence_gives_two_outcomes_or_a_finished_run_with_permits(events: list[Event]) -> None:
    execution = QUEUED
    for event in events:
        outcome = execution.outcome
        try:
            execution = advance(execution, event)
        except ImpossibleTransition:
            continue
        assert outcome is None or execution.outcome is outcome
        assert execution.permits_held >= 0
        assert not (execution.state.final and (execution.permits_held or execution.outcome is None))

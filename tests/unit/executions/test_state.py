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
    Dialled,
    Event,
    Execution,
    ImpossibleTransition,
    Outcome,
    Placed,
    Released,
    Resolved,
    Started,
    State,
    Unreached,
    advance,
    ended_state,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
QUEUED = Execution(1, NOW, NOW + timedelta(minutes=20))
EVENTS: tuple[Event, ...] = (
    Admitted(2),
    Resolved("v0.2.7"),
    Placed("run-1"),
    Dialled(),
    Started(NOW, "container"),
    Unreached(),
    Concluded(Outcome(Cause.EXITED, NOW)),
    Concluded(Outcome(Cause.EXITED, NOW, host_connected=True)),
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
        Placed("run-1"),
        Dialled(),
        Started(NOW, "c"),
        Concluded(Outcome(Cause.EXITED, NOW, result=b"\0\0", host_connected=True)),
        Released(),
    )
    assert (ended.state, ended.permits_held) == (State.FINISHED, 0)


def test_an_outcome_is_readable_while_the_instance_is_taken_away() -> None:
    ended = Concluded(Outcome(Cause.EXITED, NOW, host_connected=True))
    run = after(Admitted(1), Resolved("v"), Dialled(), Started(NOW, "c"), ended)
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


def test_every_state_but_the_final_ones_has_a_row_in_the_table() -> None:
    assert {state for state, _ in ALLOWED} == {state for state in State if not state.final}


def test_a_node_is_dialled_once_and_before_the_run_starts() -> None:
    starting = after(Admitted(1), Resolved("v"), Placed("pooled-7"))
    with pytest.raises(ImpossibleTransition):
        advance(starting, Started(NOW, "c"))
    dialled = advance(starting, Dialled())
    for event in (Dialled(), Resolved("v"), Placed("run-1")):
        with pytest.raises(ImpossibleTransition):
            advance(dialled, event)
    assert advance(dialled, Started(NOW, "c")).instance == "pooled-7"


@pytest.mark.parametrize("started", [True, False])
def test_an_outcome_cannot_belie_whether_the_run_started(started: bool) -> None:
    events: tuple[Event, ...] = (Dialled(), Started(NOW, "c")) if started else ()
    with pytest.raises(ImpossibleTransition):
        after(Admitted(1), *events, Concluded(Outcome(Cause.EXITED, NOW, host_connected=not started)))


def test_a_run_whose_node_was_not_reached_with_its_job_has_not_started_after_all() -> None:
    running = after(Admitted(1), Dialled(), Started(NOW, "c"))
    unreached = advance(running, Unreached())
    ended = advance(unreached, Concluded(Outcome(Cause.UPSTREAM, NOW, host_connected=False)))
    assert (ended.dialled, advance(ended, Released()).state) == (True, State.FAILED_TO_START)
    with pytest.raises(ImpossibleTransition):
        advance(ended, Unreached())


@pytest.mark.parametrize("cause", list(Cause))
def test_what_has_started_is_finished_whatever_ended_it(cause: Cause) -> None:
    assert ended_state(cause, started=True) is State.FINISHED


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

"""Permits and states together, under any sequence of events (issue "Nothing is lost")."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from orchestrator.executions.permits import PermitPool
from orchestrator.executions.state import (
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
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = NOW + timedelta(minutes=20)


def events() -> st.SearchStrategy[Event]:
    """Any event, whether or not it fits."""
    return st.one_of(
        st.builds(Resolved, st.just("v0.2.12")),
        st.just(Placed("run-1")),
        st.just(Dialled()),
        st.just(Started(NOW, "container")),
        st.just(Unreached()),
        st.builds(
            lambda cause, started: Concluded(Outcome(cause, NOW, host_connected=started)),
            st.sampled_from(Cause),
            st.booleans(),
        ),
        st.just(Released()),
    )


class Lives(RuleBasedStateMachine):
    """Runs as their supervisors live them: the pool admits, events come in any order, the end gives back."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = PermitPool(4)
        self.lives: dict[int, Execution] = {}
        self.costs: dict[int, int] = {}
        self.finals: dict[int, list[State]] = {}
        self.dials: dict[int, int] = {}
        self.last_id = 0

    def admit(self, ids: list[int]) -> None:
        for run_id in ids:
            self.happen(run_id, Admitted(self.costs[run_id]))

    def happen(self, run_id: int, event: Event) -> None:
        """One event; what the table does not allow changes nothing."""
        before = self.lives[run_id]
        try:
            after = advance(before, event)
        except ImpossibleTransition:
            return
        self.lives[run_id] = after
        self.dials[run_id] += isinstance(event, Dialled)
        if after.state.final:
            self.finals[run_id].append(after.state)
            self.admit(self.pool.give_back(run_id))

    def new_run(self, cost: int, state: State = State.QUEUED) -> int:
        self.last_id += 1
        held = 0 if state is State.QUEUED else cost
        started = NOW if state is State.RUNNING else None
        self.lives[self.last_id] = Execution(
            self.last_id,
            NOW,
            LATER,
            state,
            permits_held=held,
            started_at=started,
            dialled=started is not None,
        )
        self.dials[self.last_id] = int(started is not None)
        self.costs[self.last_id] = cost
        self.finals[self.last_id] = []
        return self.last_id

    @rule(cost=st.integers(1, 2))
    def accept(self, cost: int) -> None:
        self.admit(self.pool.ask(self.new_run(cost), cost))

    @rule(cost=st.integers(1, 2), state=st.sampled_from([State.STARTING, State.RUNNING]))
    def recover(self, cost: int, state: State) -> None:
        """A run that an earlier manager admitted; it counts even over the maximum."""
        self.pool.restore(self.new_run(cost, state), cost, NOW)

    @precondition(lambda self: self.lives)
    @rule(data=st.data(), event=events())
    def anything_happens(self, data: st.DataObject, event: Event) -> None:
        self.happen(data.draw(st.sampled_from(sorted(self.lives))), event)

    @rule(maximum=st.integers(0, 9))
    def operator_changes_the_maximum(self, maximum: int) -> None:
        try:
            self.admit(self.pool.set_maximum(maximum))
        except ValueError:
            assert maximum < 2 or self.pool.statistics().waiting

    @invariant()
    def no_run_ends_twice(self) -> None:
        assert all(len(states) <= 1 for states in self.finals.values())
        for run_id, states in self.finals.items():
            assert states == ([self.lives[run_id].state] if self.lives[run_id].state.final else [])

    @invariant()
    def no_node_is_dialled_twice_and_none_that_has_started_was_not(self) -> None:
        for run_id, life in self.lives.items():
            assert self.dials[run_id] == int(life.dialled)
            assert life.dialled or life.started_at is None

    @invariant()
    def a_final_run_has_an_outcome_and_holds_nothing(self) -> None:
        for life in self.lives.values():
            if life.state.final:
                assert life.outcome is not None
                assert life.permits_held == 0

    @invariant()
    def the_pool_counts_exactly_what_the_runs_hold(self) -> None:
        held = [life.permits_held for life in self.lives.values() if life.permits_held]
        statistics = self.pool.statistics()
        assert (statistics.in_use, len(statistics.holders)) == (sum(held), len(held))
        assert statistics.in_use >= 0
        assert 0 <= statistics.available <= statistics.maximum

    @invariant()
    def who_waits_is_queued(self) -> None:
        queued = sum(life.state is State.QUEUED for life in self.lives.values())
        assert self.pool.statistics().waiting == queued


TestLives = Lives.TestCase
TestLives.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)

"""A run that ended is told of alike by the manager that saw its end and by the next one, which only reads."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from inspect import signature
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.executions.ended import EndedRun
from orchestrator.executions.output import RunOutput
from orchestrator.executions.records import (
    accepted_row,
    ended_from_head,
    ended_from_run,
    outcome_row,
    progress_row,
    status_from,
)
from orchestrator.executions.request import Call, RunRequest, Selector
from orchestrator.executions.run import Run
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
    Unreached,
    advance,
)
from orchestrator.executions.written import written
from orchestrator.store.journal import SqlJournal, open_journal
from orchestrator.store.port import OutcomeRow, Write
from orchestrator.store.sqlite import sqlite_url

NOW = datetime(2026, 1, 1, tzinfo=UTC)
REQUEST = RunRequest(
    Call(Selector(0), NOW, {}, "unix:///tmp/node", host_data="", is_sync=True),
    permits=1,
    time_limit=timedelta(minutes=20),
    idempotency_key="k",
)

outcomes = st.builds(
    Outcome,
    cause=st.sampled_from(Cause),
    finished_at=st.just(NOW + timedelta(seconds=3)),
    result=st.none() | st.binary(max_size=4),
    delivered=st.booleans(),
    exit_code=st.none() | st.integers(0, 255),
    oom_killed=st.booleans(),
    host_connected=st.booleans(),
    error=st.none() | st.just("a sentence"),
    reason=st.none() | st.just("container_lost"),
)
events: st.SearchStrategy[Event] = st.one_of(
    st.just(Admitted(1)),
    st.just(Resolved("v0.2.12")),
    st.sampled_from([Placed("run-1"), Placed("pool-7")]),
    st.just(Dialled()),
    st.just(Unreached()),
    st.just(Started(NOW + timedelta(seconds=1), "container")),
    outcomes.map(Concluded),
    st.just(Released()),
)
a_life_to_its_start = (
    Admitted(1),
    Resolved("v0.2.12"),
    Placed("run-1"),
    Dialled(),
    Started(NOW + timedelta(seconds=1), "container"),
    Unreached(),
)
# Any events in any order, most of which do not fit; and lives that get on until something ends them.
sequences: st.SearchStrategy[Sequence[Event]] = st.one_of(
    st.lists(events, max_size=12),
    st.builds(
        lambda length, end: (*a_life_to_its_start[:length], Concluded(end), Released()),
        st.integers(0, len(a_life_to_its_start)),
        outcomes,
    ),
)


@dataclass
class Life:
    """A run, and what its supervisor writes down while it lives it."""

    run: Run
    rows: list[Write] = field(default_factory=list)

    def happen(self, event: Event) -> None:
        if isinstance(event, Concluded):
            row = outcome_row(advance(self.run.execution, event), self.run)
            self.run.kept_bytes = row.size
            self.rows.append(row)
            self.run.apply(event)
        else:
            self.run.apply(event)
            self.rows.append(progress_row(self.run))


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def journal(runner: asyncio.Runner, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlJournal]:
    folder: Path = tmp_path_factory.mktemp("journal")
    journal = runner.run(open_journal(sqlite_url(folder / "journal.db"), "m"))
    yield journal
    runner.run(journal.aclose())


IDS = count(1)


async def lived(sequence: Sequence[Event]) -> Life:
    text = written(REQUEST)
    execution = Execution(next(IDS), NOW, NOW + timedelta(minutes=20))
    life = Life(Run(execution, REQUEST, RunOutput(16, 2), text.digest))
    life.rows.append(accepted_row(life.run, text))
    for event in sequence:
        try:
            life.happen(event)
        except ImpossibleTransition:
            continue
    return life


def facts_of(ended: EndedRun) -> dict[str, Any]:
    return {name: getattr(ended, name) for name in signature(EndedRun.of).parameters}


async def read_at_every_moment(journal: SqlJournal, life: Life) -> None:
    """The manager dies after each row in turn; from the outcome's on, the next one tells the whole truth."""
    run, concluded = life.run, False
    for row in life.rows:
        await journal.write(row, durable=True)
        concluded = concluded or isinstance(row, OutcomeRow)
        read = await journal.read(run.id)
        assert read is not None
        if not concluded:
            assert status_from(read) is None
            continue
        assert status_from(read) == run.final_status()
        recovered, live = ended_from_head(read.head), ended_from_run(run, None)
        assert run.execution.outcome is not None
        assert facts_of(recovered) == facts_of(live) | {"state": run.execution.outcome.state}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sequence=sequences)
def test_the_live_path_and_recovery_tell_the_same(
    runner: asyncio.Runner, journal: SqlJournal, sequence: Sequence[Event]
) -> None:
    life = runner.run(lived(sequence))
    runner.run(read_at_every_moment(journal, life))


def test_cancelled_while_it_was_starting_is_finished_after_a_restart_too(
    runner: asyncio.Runner, journal: SqlJournal
) -> None:
    """The release had not been written when the manager died."""
    life = runner.run(lived([Admitted(1), Resolved("v"), Concluded(Outcome(Cause.CANCELLED, NOW))]))
    runner.run(read_at_every_moment(journal, life))
    read = runner.run(journal.read(life.run.id))
    assert read is not None
    assert (read.head.state, ended_from_head(read.head).state) == ("finishing", "finished")

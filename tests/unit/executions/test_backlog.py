"""The bytes of runs that wait."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.executions.backlog import Backlog


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 5), st.integers(0, 60))))
def test_the_total_is_what_those_hold_that_are_there(steps: list[tuple[bool, int, int]]) -> None:
    backlog, expected = Backlog(100), dict[int, int]()
    for adding, run_id, size in steps:
        if adding:
            backlog.add(run_id, size)
            expected[run_id] = size
        else:
            backlog.remove(run_id)
            expected.pop(run_id, None)
        assert (backlog.total, len(backlog)) == (sum(expected.values()), len(expected))
        assert backlog.takes(size) == (not expected or backlog.total + size <= 100)

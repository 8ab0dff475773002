"""Which ended runs make room where there are too many: those of whoever holds most."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.executions.ended import EndedRun
from orchestrator.executions.keys import RunKey
from orchestrator.executions.known import Forgotten, KnownRuns
from orchestrator.executions.request import RunRequest
from orchestrator.executions.retention import Retention
from orchestrator.executions.times import Times
from orchestrator.store.port import ForgottenRows
from tests.unit.executions.heart_stage import Rows, request
from tests.unit.executions.test_retention import LIMITS, after, ended, ids

FEW = replace(LIMITS, runs=4)
NAMESPACES = ("a", "b", "c")


def with_runs(*runs: tuple[int, str]) -> Retention:
    """As many as there may be."""
    retention = Retention(FEW)
    for number, namespace in runs:
        assert retention.add(ended(number, namespace=namespace)) == []
    return retention


def test_who_may_fetch_again_keeps_what_he_has_fetched() -> None:
    """Somebody else never fetches anything."""
    retention = with_runs((1, "a"), (2, "b"), (3, "a"), (4, "a"))
    retention.fetched(2, after(1))
    gone = [ids(retention.add(ended(number, namespace="a"))) for number in (5, 6, 7)]
    assert gone == [[1], [3], [4]]
    retention.add(ended(8, namespace="b").fetched(after(1)))
    assert ids(list(retention.newest("b"))) == [8, 2]


@pytest.mark.parametrize("size", [pytest.param(1, id="runs"), pytest.param(30, id="bytes")])
def test_a_namespace_without_end_takes_nothing_from_another(size: int) -> None:
    retention, gone = Retention(FEW), []
    retention.add(ended(1, size, namespace="quiet"))
    for number in range(2, 50):
        gone += ids(retention.add(ended(number, size, namespace="loud")))
    assert ids(list(retention.newest("quiet"))) == [1]
    assert gone == list(range(2, 2 + len(gone)))
    assert len(gone) > 40


def test_it_is_the_one_that_holds_most_of_what_there_is_too_much_of() -> None:
    """In bytes it is another one than in runs, and whose run it is that has ended does not matter."""
    retention = Retention(FEW)
    for number, size, namespace in ((1, 70, "few"), (2, 1, "many"), (3, 1, "many"), (4, 1, "many")):
        assert retention.add(ended(number, size, namespace=namespace)) == []
    assert ids(retention.add(ended(5, 1, namespace="third"))) == [2]
    assert ids(retention.add(ended(6, 60, namespace="third"))) == [1]


def test_the_newest_is_kept_though_its_namespace_holds_most() -> None:
    retention = with_runs((1, "a"), (2, "b"), (3, "b"), (4, "a"))
    assert ids(retention.add(ended(5, 99, namespace="c"))) == [2, 1, 3]
    assert ids(retention.add(ended(6, 99, namespace="b"))) == [5]


def test_a_namespace_s_share_is_told_without_looking_at_its_runs() -> None:
    retention = with_runs((1, "a"), (2, "b"), (3, "a"))
    retention.add(ended(4, 7, namespace="a"))
    retention.remove(1)
    assert [retention.held(name) for name in (*NAMESPACES, None)] == [(2, 8), (1, 1), (0, 0), (3, 9)]


def test_one_that_is_taken_over_and_has_to_go_leaves_neither_row_nor_key() -> None:
    """A manager with narrower bounds than the last one's."""
    rows, asked = Rows(), replace(request("unix:///tmp/node"), idempotency_key="again")
    known = KnownRuns(rows, Retention(replace(LIMITS, runs=1)), Times())  # type: ignore[arg-type]
    known.add_ended(replace(ended(1), key=key_of(asked)))
    known.add_ended(ended(2))
    assert (known.known(1), known.repeated(asked), known.forgotten[Forgotten.ROOM]) == (None, None, 1)
    assert rows.of(ForgottenRows) == [ForgottenRows([1])]
    assert [run.id for run in known.between(0, 9, newest_first=False)] == [2]


def key_of(asked: RunRequest) -> RunKey:
    return RunKey(asked.namespace, asked.host, asked.idempotency_key)


@dataclass
class Rule:
    """The same by looking at everything each time."""

    kept: list[EndedRun] = field(default_factory=list)

    def add(self, new: EndedRun) -> list[int]:
        self.kept.append(new)
        gone = []
        while len(self.kept) > 1 and (len(self.kept) > FEW.runs or self.size > FEW.output_bytes):
            goes = self._next(new)
            gone.append(goes.id)
            self.kept.remove(goes)
        return gone

    @property
    def size(self) -> int:
        return sum(run.size for run in self.kept)

    def _next(self, new: EndedRun) -> EndedRun:
        held: Counter[str] = Counter()
        for run in self.kept:
            held[run.namespace] += run.size if self.size > FEW.output_bytes else 1
        others = {run.namespace for run in self.kept if run is not new}
        most = max(others, key=lambda name: (held[name], name))
        return next(run for run in self.kept if run.namespace == most)

    def change(self, run_id: int, to: EndedRun | None) -> None:
        place = next((place for place, run in enumerate(self.kept) if run.id == run_id), None)
        if place is not None:
            self.kept[place : place + 1] = [] if to is None else [to]


steps = st.lists(
    st.tuples(
        st.sampled_from(["add", "add", "add", "add fetched", "fetch", "remove"]),
        st.sampled_from(NAMESPACES),
        st.integers(1, 60),
    ),
    max_size=120,
)


@given(steps)
def test_whatever_happens_the_same_go_as_by_looking_at_all(sequence: list[tuple[str, str, int]]) -> None:
    retention, rule = Retention(FEW), Rule()
    for number, (what, namespace, size) in enumerate(sequence, 1):
        if what.startswith("add"):
            run = ended(number, size, namespace=namespace)
            run = run.fetched(after(number)) if what == "add fetched" else run
            assert ids(retention.add(run)) == rule.add(run)
        elif what == "fetch":
            if (noted := retention.fetched(number - size % 9, after(number))) is not None:
                rule.change(noted.id, noted)
        elif (gone := retention.remove(number - size % 9)) is not None:
            rule.change(gone.id, None)
        assert ids(list(retention.all())) == ids(rule.kept)
    for name in NAMESPACES:
        kept = [run for run in rule.kept if run.namespace == name]
        assert retention.held(name) == (len(kept), sum(run.size for run in kept))
        assert ids(list(retention.newest(name))) == ids(kept)[::-1]

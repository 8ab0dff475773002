"""The checker finds what it is there to find."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.chaos.checker import Verdict, check
from tests.chaos.history import (
    Accepted,
    Conversation,
    Delivered,
    Entry,
    Fault,
    History,
    PermitsSeen,
    Settled,
    StatusRead,
)
from tests.chaos.ledger import JournalRow

RIGHT, WRONG = b"\0right", b"\0wrong"
ROW = JournalRow(1, "k", "finished", "run-1", True, "exited", None, 5_000_000, RIGHT, None)
LOST_ROW = replace(ROW, cause="engine", reason="container_lost", result=None)
TOLD = Accepted("k", 1, "unix:///h", "work", 1)
READ = StatusRead("k", 1, "exited", None, 5000)
READ_LOST = StatusRead("k", 1, "engine", "container_lost", 5000)
TALKED = Conversation("k")
TAKEN = Delivered("k", RIGHT.hex())
QUIET = Settled((), (), 4, 4)
CALM: tuple[Entry, ...] = (TOLD, TALKED, TAKEN, READ, QUIET)

Checked = Callable[..., Verdict]


@pytest.fixture
def checked(tmp_path: Path) -> Iterator[Checked]:
    history = History(tmp_path / "history")

    def run(*entries: Entry, rows: tuple[JournalRow, ...] = (ROW,)) -> Verdict:
        for entry in entries:
            history.add(entry)
        return check(history, rows, {"work": RIGHT})

    yield run
    history.close()


def test_a_calm_run_is_clean(checked: Checked) -> None:
    assert checked(*CALM).clean


@pytest.mark.parametrize(
    ("entries", "rows"),
    [
        (CALM, ()),
        (CALM, (replace(ROW, state="running", cause=None, finished_at=None),)),
        (CALM, (replace(ROW, result=WRONG),)),
        (CALM, (replace(ROW, finished_at=6_000_000),)),
        ((TOLD, TALKED, Delivered("k", WRONG.hex()), READ, QUIET), (ROW,)),
        ((TOLD, TALKED, READ_LOST, QUIET), (LOST_ROW,)),
        ((TOLD, TALKED, TAKEN, QUIET), (ROW,)),
    ],
    ids=[
        "no row", "no final status", "other result kept", "other status read", "other result taken",
        "ended without a reason to", "status never read",
    ],
)  # fmt: skip
def test_what_is_lost_is_counted(
    checked: Checked, entries: tuple[Entry, ...], rows: tuple[JournalRow, ...]
) -> None:
    assert checked(*entries, rows=rows).lost > 0


@pytest.mark.parametrize(
    ("more", "rows"),
    [
        ((TALKED,), (ROW,)),
        ((TAKEN,), (ROW,)),
        ((replace(TOLD, id=2), replace(READ, id=2)), (ROW, replace(ROW, id=2))),
        ((Conversation("unknown"),), (ROW,)),
    ],
    ids=["two conversations", "two results", "two runs for one key", "a run nobody asked for"],
)
def test_what_is_doubled_is_counted(
    checked: Checked, more: tuple[Entry, ...], rows: tuple[JournalRow, ...]
) -> None:
    assert checked(*CALM, *more, rows=rows).doubled > 0


def test_a_container_left_over_is_an_orphan(checked: Checked) -> None:
    assert checked(*CALM, Settled(("one",), ("two",), 4, 4)).orphans == 2


def test_permits_that_do_not_come_back_are_counted(checked: Checked) -> None:
    assert checked(*CALM, Settled((), (), 1, 4)).permits_off == 3


def test_more_containers_than_permits_are_counted(checked: Checked) -> None:
    assert checked(*CALM, PermitsSeen(5, 4)).permits_off == 1


def test_a_run_at_which_a_fault_was_aimed_may_end_without_a_result(checked: Checked) -> None:
    assert checked(TOLD, TALKED, TAKEN, READ_LOST, QUIET, Fault("remove", 1), rows=(LOST_ROW,)).clean


def test_a_run_whose_module_was_killed_may_come_to_another_result_and_everybody_has_the_same(
    checked: Checked,
) -> None:
    ill = Fault("module", 1)
    taken = (TOLD, TALKED, Delivered("k", WRONG.hex()), READ, QUIET, ill)
    assert checked(*taken, rows=(replace(ROW, result=WRONG),)).clean
    assert checked(*taken).lost == 1


TAKEN_ALONG = (
    (TOLD, TALKED, replace(READ_LOST, reason="engine_restart"), QUIET),
    (replace(LOST_ROW, reason="engine_restart"),),
)


def test_an_engine_that_was_restarted_may_take_runs_with_it(checked: Checked) -> None:
    entries, rows = TAKEN_ALONG
    assert checked(*entries, Fault("engine"), rows=rows).clean


def test_an_engine_that_was_not_restarted_takes_no_runs_with_it(checked: Checked) -> None:
    entries, rows = TAKEN_ALONG
    assert checked(*entries, rows=rows).lost == 1

"""No row can stop every next start: one that was tried twice is set aside, and the others go on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import cast

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from orchestrator.executions.recovery import DISCARDS, MOST_TRIES, discard_each, take_over_each
from orchestrator.executions.times import Times
from orchestrator.runtime.port import EngineUnreachable, Runtime
from orchestrator.store.journal import SqlJournal, open_journal
from orchestrator.store.port import AcceptedRow, FetchedRow, RecoveryMark, RunHead, StoreFailure, StoreFull
from orchestrator.store.sqlite import sqlite_url
from tests.hand_clock import HandClock
from tests.until import until

ROW_TIME = Times().row


@pytest.fixture(autouse=True)
def logs() -> Iterator[list[EventDict]]:
    """Tracebacks are not made readable on the loop."""
    with capture_logs() as lines:
        yield lines


async def heads_in(journal: SqlJournal) -> list[RunHead]:
    return [head async for head in journal.heads()]


class Died(BaseException):
    """Stands for the death of the manager: nobody catches it, and nothing comes after it."""


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[SqlJournal]:
    """With three queued runs."""
    opened = await open_journal(sqlite_url(tmp_path / "journal"), "manager")
    for run_id in (1, 2, 3):
        await opened.write(AcceptedRow(run_id, "queued", 0, 0, 1, None, b"", b""))
    yield opened
    await opened.aclose()


class Start:
    """One start of a manager; `trouble` is what a row does to it."""

    def __init__(self, trouble: dict[int, BaseException]) -> None:
        self.trouble = trouble
        self.tried: list[int] = []
        self.taken: list[int] = []
        self.aside: dict[int, str] = {}

    async def take_over(self, head: RunHead) -> None:
        self.tried.append(head.id)
        if head.id in self.trouble:
            raise self.trouble[head.id]
        self.taken.append(head.id)

    async def set_aside(self, head: RunHead, why: str) -> None:
        self.aside[head.id] = why

    async def run(self, journal: SqlJournal) -> Start:
        await take_over_each(journal, await heads_in(journal), self.take_over, self.set_aside, ROW_TIME)
        return self


async def test_rows_are_taken_over_in_their_order_and_no_mark_is_left(journal: SqlJournal) -> None:
    assert (await Start({}).run(journal)).taken == [1, 2, 3]
    assert await journal.recovery_mark() == RecoveryMark(0, 0)


async def test_a_row_that_kills_two_managers_is_set_aside_by_the_third(journal: SqlJournal) -> None:
    for tries in (1, 2):
        with pytest.raises(Died):
            await Start({2: Died()}).run(journal)
        assert await journal.recovery_mark() == RecoveryMark(2, tries)
    third = await Start({2: Died()}).run(journal)
    assert (third.taken, list(third.aside)) == ([1, 3], [2])
    assert "stopped 2 times" in third.aside[2]
    assert await journal.recovery_mark() == RecoveryMark(0, 0)


async def test_two_rows_that_kill_are_set_aside_one_after_the_other(journal: SqlJournal) -> None:
    """A row that is set aside has ended: the next start does not meet it again."""
    gone: set[int] = set()
    for _ in range(4):
        start = Start({2: Died(), 3: Died()})
        heads = [head async for head in journal.heads() if head.id not in gone]
        with pytest.raises(Died):
            await take_over_each(journal, heads, start.take_over, start.set_aside, ROW_TIME)
        gone |= set(start.aside)
    last = Start({2: Died(), 3: Died()})
    heads = [head async for head in journal.heads() if head.id not in gone]
    await take_over_each(journal, heads, last.take_over, last.set_aside, ROW_TIME)
    assert (gone, list(last.aside), last.taken) == ({2}, [3], [1])


async def test_one_death_is_no_reason(journal: SqlJournal) -> None:
    with pytest.raises(Died):
        await Start({2: Died()}).run(journal)
    again = await Start({}).run(journal)
    assert (again.taken, again.aside) == ([1, 2, 3], {})


@pytest.mark.parametrize("trouble", [ValueError("x"), UnicodeError("x"), RecursionError(), MemoryError()])
async def test_a_row_that_cannot_be_read_is_set_aside_at_once(
    journal: SqlJournal, trouble: BaseException
) -> None:
    start = await Start({2: trouble}).run(journal)
    assert (start.tried, start.taken, list(start.aside)) == ([1, 2, 2, 3], [1, 3], [2])
    assert type(trouble).__name__ in start.aside[2]


async def test_a_row_that_never_answers_is_set_aside(
    journal: SqlJournal,
) -> None:
    start, begun = Start({}), asyncio.Event()

    async def take_over(head: RunHead) -> None:
        if head.id == 2:
            begun.set()
            await asyncio.Event().wait()
        await start.take_over(head)

    clock = HandClock()
    heads = await heads_in(journal)
    taking = asyncio.create_task(
        take_over_each(journal, heads, take_over, start.set_aside, ROW_TIME, clock=clock)
    )
    for _ in range(MOST_TRIES):
        await begun.wait()
        begun.clear()
        await clock.pass_time(ROW_TIME)
    await taking
    assert (start.taken, list(start.aside)) == ([1, 3], [2])


async def test_an_order_to_stop_is_nothing_that_the_row_did(journal: SqlJournal) -> None:
    for _ in range(3):
        reached = asyncio.Event()
        start = Start({})

        async def take_over(head: RunHead, reached: asyncio.Event = reached) -> None:
            reached.set()
            await asyncio.Event().wait()

        going = asyncio.create_task(
            take_over_each(journal, await heads_in(journal), take_over, start.set_aside, ROW_TIME)
        )
        await reached.wait()
        going.cancel()
        with pytest.raises(asyncio.CancelledError):
            await going
        assert start.aside == {}
        await journal.write(FetchedRow(3, 1))  # what was noted before it is written, too


async def test_a_journal_that_is_away_is_not_the_rows_fault(journal: SqlJournal) -> None:
    with pytest.raises(StoreFailure):
        await Start({2: StoreFailure("away")}).run(journal)


async def test_a_full_disk_keeps_no_run_from_being_taken_over(
    journal: SqlJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: object, **__: object) -> None:
        raise StoreFull("no space left")

    monkeypatch.setattr(journal, "write", full)
    assert (await Start({}).run(journal)).taken == [1, 2, 3]


class Left:
    """Where a dead manager's instances are; each takes until `gone` to end, and one cannot be removed."""

    def __init__(self) -> None:
        self.under_way = self.most = 0
        self.gone = asyncio.Event()
        self.discarded: list[str] = []

    async def discard(self, name: str) -> None:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await self.gone.wait()
        self.under_way -= 1
        self.discarded.append(name)
        if name == "run-7":
            raise EngineUnreachable("not now")


async def test_what_a_dead_manager_began_is_removed_some_at_a_time() -> None:
    """All waited for at once would take a connection each, one after another a second each."""
    left, runs = Left(), range(3 * DISCARDS)
    removing = asyncio.create_task(discard_each(dict.fromkeys(runs, cast("Runtime", left)), 3, HandClock()))
    await until(lambda: left.under_way == DISCARDS)
    left.gone.set()
    await removing
    assert left.most == DISCARDS
    assert sorted(left.discarded) == sorted(f"run-{run}" for run in runs)


async def test_an_engine_that_keeps_quiet_holds_no_take_over_up() -> None:
    left, clock = Left(), HandClock()
    removing = asyncio.create_task(discard_each(dict.fromkeys(range(99), cast("Runtime", left)), 3, clock))
    await until(lambda: left.under_way == DISCARDS)
    await clock.pass_time(3)
    await removing
    assert left.discarded == []

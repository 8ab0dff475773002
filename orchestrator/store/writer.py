"""One thread that writes, in order, many rows per transaction: whoever waits pays for one commit together."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from orchestrator.distribution import Distribution
from orchestrator.event_loop import call_on
from orchestrator.store.port import (
    ForgottenRows,
    ProgressRow,
    RowUnstorable,
    StoreFailure,
    StoreUnavailable,
    Write,
)

log = structlog.get_logger(__name__)

MOST_ROWS_AT_ONCE = 256
NOTE_DELAY = 0.03
"""Seconds that rows nobody waits for may wait for others: a commit costs more than they do."""


@dataclass(frozen=True, slots=True)
class Order:
    """A row to write, and whom to tell. Without a `waiter` a failure is logged."""

    row: Write
    durable: bool
    waiter: asyncio.Future[None] | None


class WriterFigures:
    """Added to by the writer's thread, read by others. `commits`: seconds of those that succeeded."""

    def __init__(self) -> None:
        self.commits = Distribution()
        self.failures = 0
        self.rows = 0


class Writer:
    """`apply` writes a batch in one transaction, on this writer's own thread; it raises StoreFailure.

    `tidy`, if any, is called on the same thread when rows were forgotten and there is nothing to write, until
    it says that there is nothing more to do.
    """

    def __init__(
        self, apply: Callable[[Sequence[Write], bool], None], tidy: Callable[[], bool] | None = None
    ) -> None:
        self._apply = apply
        self._tidy = tidy
        self._untidy = False
        self.figures = WriterFigures()
        self._orders: queue.SimpleQueue[Sequence[Order] | None] = queue.SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._noted: list[Write] = []
        self._noting: asyncio.TimerHandle | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="journal", daemon=True)
        self._thread.start()

    async def write(self, row: Write, *, durable: bool) -> None:
        """Return when the row is committed. Cancelling the wait does not take the row back."""
        if self._closed:
            raise StoreUnavailable("the journal is closed")
        waiter: asyncio.Future[None] = self._loop.create_future()
        self._hand_over(Order(row, durable, waiter))
        await waiter

    def note(self, row: Write) -> None:
        """Write soon, without waiting: with the next row that somebody waits for, or after a short while.

        The thread is not woken for each: it and the loop would take turns at the interpreter all the time.
        """
        if self._closed:
            log.error("journal_closed", row=type(row).__name__)
            return
        self._noted.append(row)
        if len(self._noted) >= MOST_ROWS_AT_ONCE:
            self._hand_over()
        elif self._noting is None:
            self._noting = self._loop.call_later(NOTE_DELAY, self._hand_over)

    def _hand_over(self, *orders: Order) -> None:
        """Give the thread what was noted, and then `orders`."""
        if self._noting is not None:
            self._noting.cancel()
            self._noting = None
        noted, self._noted = self._noted, []
        self._orders.put((*(Order(row, False, None) for row in noted), *orders))

    @property
    def waiting(self) -> int:
        """Rows that are not written yet, about."""
        return len(self._noted) + self._orders.qsize()

    async def aclose(self) -> None:
        """Write what was ordered, then end the thread. Idempotent."""
        if not self._closed:
            self._closed = True
            self._hand_over()
            self._orders.put(None)
        await asyncio.to_thread(self._thread.join)

    def _work(self) -> None:
        while (first := self._next()) is not None:
            batch = list(first)
            last = self._gather(batch)
            self._commit(batch)
            if last:
                return

    def _gather(self, batch: list[Order]) -> bool:
        """Add what else there is to write now; whether it is the last."""
        while len(batch) < MOST_ROWS_AT_ONCE:
            try:
                following = self._orders.get_nowait()
            except queue.Empty:
                return False
            if following is None:
                return True
            batch.extend(following)
        return False

    def _next(self) -> Sequence[Order] | None:
        """The next orders; while there is none, tidy up bit by bit."""
        while self._tidy is not None and self._untidy:
            try:
                return self._orders.get_nowait()
            except queue.Empty:
                self._untidy = self._tidied(self._tidy)
        return self._orders.get()

    @staticmethod
    def _tidied(tidy: Callable[[], bool]) -> bool:
        try:
            return tidy()
        except StoreFailure as failure:
            log.warning("journal_not_tidied", error=str(failure))
            return False
        except Exception:
            # Nothing may end this thread: rows wait for it.
            log.exception("journal_defect")
            return False

    def _commit(self, batch: Sequence[Order]) -> None:
        """A batch that fails is tried row by row: one bad row must not take its neighbours along."""
        rows = latest([order.row for order in batch])
        failure = self._try(rows, any(order.durable for order in batch))
        self._untidy = self._untidy or any(isinstance(order.row, ForgottenRows) for order in batch)
        for order in batch:
            one = failure if failure is None or len(batch) == 1 else self._try([order.row], order.durable)
            if one is not None and order.waiter is None:
                log.error("journal_write_failed", row=type(order.row).__name__, error=str(one))
            if order.waiter is not None:
                call_on(self._loop, _settle, order.waiter, one)

    def _try(self, rows: Sequence[Write], durable: bool) -> StoreFailure | None:
        begun = time.monotonic()
        try:
            self._apply(rows, durable)
        except StoreFailure as failure:
            self.figures.failures += 1
            return failure
        except Exception as defect:
            log.exception("journal_defect")
            self.figures.failures += 1
            return RowUnstorable(f"a row cannot be stored: {type(defect).__name__}")
        self.figures.commits.add(time.monotonic() - begun)
        self.figures.rows += len(rows)
        return None


def latest(rows: Sequence[Write]) -> list[Write]:
    """The rows without what a later one of the batch overwrites: a run's progress is a whole each time."""
    seen: set[int] = set()
    kept: list[Write] = []
    for row in reversed(rows):
        if isinstance(row, ProgressRow):
            if row.id in seen:
                continue
            seen.add(row.id)
        kept.append(row)
    kept.reverse()
    return kept


def _settle(waiter: asyncio.Future[None], failure: StoreFailure | None) -> None:
    if waiter.done():
        return
    if failure is None:
        waiter.set_result(None)
    else:
        waiter.set_exception(failure)
        # Nobody may be left to look at it: its waiter was cancelled.
        waiter.exception()

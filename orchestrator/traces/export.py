"""Telling stories from a thread of their own, as they come, and never so many that memory grows.

Spans are made there and not on the loop: that costs more than everything else that a run's end does. Whoever
is told may be slow or away: the thread waits for it, the queue fills, what does not fit is lost and counted.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from orchestrator.traces.story import Story

log = structlog.get_logger(__name__)

MOST_AT_ONCE = 50
"""Runs in one message: some hundred spans, far from what a collector refuses."""

Send = Callable[[Sequence[Story]], bool]


@dataclass(slots=True)
class TraceCounts:
    """Runs, since the manager's start, by what became of their spans."""

    exported: int = 0
    refused: int = 0
    """Could not be delivered, or were not taken."""
    dropped: int = 0
    """Found the queue full, or the manager leaving."""


class TraceExport:
    """`send` delivers some and says whether it could; it blocks, and is called from one thread only.

    `interrupt` makes a call of it return soon.
    """

    def __init__(self, send: Send, interrupt: Callable[[], None], limit: int) -> None:
        """`limit`: runs that may wait."""
        self._send = send
        self._interrupt = interrupt
        self._limit = limit
        self._waiting: deque[Story] = deque()
        self._changed = threading.Condition()
        self._closing = self._failing = False
        self.counts = TraceCounts()
        self._thread = threading.Thread(target=self._work, name="traces", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def add(self, story: Story) -> None:
        """Waits for nothing: what there is no room for is let go."""
        with self._changed:
            if self._closing or len(self._waiting) >= self._limit:
                self.counts.dropped += 1
                return
            self._waiting.append(story)
            self._changed.notify()

    def close(self, seconds: float) -> None:
        """Deliver what waits, within so many seconds; the rest is let go. Blocking.

        Where nothing could be delivered just now, that is not waited for.
        """
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(0 if self._failing else seconds)
        with self._changed:
            self.counts.dropped += len(self._waiting)
            self._waiting.clear()
        self._interrupt()

    def _work(self) -> None:
        while batch := self._next():
            self._sent(batch)

    def _next(self) -> list[Story]:
        """Some that wait; none once it is closed and all are told."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing)
            return [self._waiting.popleft() for _ in range(min(MOST_AT_ONCE, len(self._waiting)))]

    def _sent(self, batch: list[Story]) -> None:
        try:
            delivered = self._send(batch)
        except Exception:
            log.exception("traces_defect")
            delivered = False
        with self._changed:
            if delivered:
                self.counts.exported += len(batch)
            else:
                self.counts.refused += len(batch)
        if delivered is self._failing:
            self._failing = not delivered
            self._tell()

    def _tell(self) -> None:
        """Once for each absence, however many runs end in it."""
        if self._failing:
            log.warning("traces_not_delivered", consequence="runs go on; their spans are let go")
        else:
            log.info("traces_delivered_again")

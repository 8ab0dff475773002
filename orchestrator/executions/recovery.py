"""Taking over what an earlier manager left, one row at a time, so that no row can stop every next start.

What a row holds came from others. One that stops the manager while it is taken over (the loop stands still,
the memory is gone, the process dies) would do so again at each start: therefore the journal is told first
which row is next, and a row that two managers did not get past is set aside.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from orchestrator.store.port import Journal, RecoveryMark, RunHead, StoreFailure

log = structlog.get_logger(__name__)

MOST_TRIES = 2
# Seconds for one row, where waiting is concerned. A row of 100 MiB is read within one.
ROW_TIME = 30.0
SET_ASIDE = "set_aside"
STOPPED = f"set aside: the manager was stopped {MOST_TRIES} times while it took this run over"


async def take_over_each(
    journal: Journal,
    heads: Sequence[RunHead],
    take_over: Callable[[RunHead], Awaitable[None]],
    set_aside: Callable[[RunHead, str], Awaitable[None]],
) -> None:
    """`take_over` every row, or `set_aside` with a sentence. Raises StoreFailure."""
    if not heads:
        return
    mark = await journal.recovery_mark()
    for head in heads:
        tries = mark.tries if mark.id == head.id else 0
        why = STOPPED
        while tries < MOST_TRIES:
            tries += 1
            await _mark(journal, RecoveryMark(head.id, tries))
            try:
                async with asyncio.timeout(ROW_TIME):
                    await take_over(head)
                break
            except StoreFailure:
                raise
            except asyncio.CancelledError:
                # Ordered to stop, which is nothing that the row did.
                journal.note(RecoveryMark(head.id, tries - 1))
                raise
            except Exception as defect:
                log.exception("row_not_taken_over", run=head.id, tries=tries)
                why = f"set aside: it cannot be taken over ({type(defect).__name__})"
        else:
            log.error("row_set_aside", run=head.id, reason=why, advice="docs/runbook.md, set_aside")
            await set_aside(head, why)
    await _mark(journal, RecoveryMark(0, 0))


async def _mark(journal: Journal, mark: RecoveryMark) -> None:
    """A disk that is full does not keep runs from being taken over."""
    try:
        await journal.write(mark)
    except StoreFailure as failure:
        log.warning("recovery_not_marked", error=str(failure))

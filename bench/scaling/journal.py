"""What the journal takes for a run, measured on this machine: seconds per commit, bytes that stay."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

from orchestrator.store.journal import open_journal
from orchestrator.store.port import AcceptedRow, OutcomeRow, ProgressRow
from orchestrator.store.sqlite import sqlite_url

ROUNDS = 500
FILE = "journal.sqlite"
REQUEST_BYTES, RESULT_BYTES, TERMS_BYTES, STATS_BYTES = 1200, 40, 200, 150
"""Of a small call (docs/performance.md, the counter)."""


async def journal_costs() -> tuple[float, float]:
    """Median seconds of a commit that a run waits for, and bytes of the journal per ended run."""
    with tempfile.TemporaryDirectory(prefix="gb") as folder:
        journal = await open_journal(sqlite_url(Path(folder, FILE)), "bench")
        taken: list[float] = []
        for number in range(1, ROUNDS + 1):
            for row, durable in _rows(number):
                begun = time.perf_counter()
                await journal.write(row, durable=durable)
                taken.append(time.perf_counter() - begun)
        # Closed, it has no log beside it any more.
        await journal.aclose()
        size = Path(folder, FILE).stat().st_size  # noqa: ASYNC240 (a benchmark)
    return statistics.median(taken), size / ROUNDS


def _rows(number: int) -> tuple[tuple[AcceptedRow | ProgressRow | OutcomeRow, bool], ...]:
    now = 1_700_000_000_000_000
    accepted = AcceptedRow(
        number, "queued", now, now, 1, f"key-{number}", b"\0" * REQUEST_BYTES, b"\0" * TERMS_BYTES
    )
    progress = ProgressRow(number, "starting", "v0.2.12", None, None, f"run-{number}", True)
    outcome = OutcomeRow(
        number, "finished", "exited", None, now, 0, False, True, True, None,
        b"\0" * RESULT_BYTES, b"\0" * STATS_BYTES, b"", 0, b"", 0, b"[]",
    )  # fmt: skip
    return (accepted, False), (progress, False), (outcome, True)

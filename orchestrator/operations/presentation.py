"""Tables and streams for a terminal. What a contract printed is never trusted to be text only. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from orchestrator.views.overview import Json

COLUMNS = ("ID", "STATE", "CAUSE", "VERSION", "ACCEPTED", "WAITED", "RAN", "INSTANCE")


def runs_table(runs: Iterable[Json], now: datetime) -> str:
    """With the manager of each, where there are several."""
    listed = list(runs)
    rows = [_run_cells(run, now) for run in listed]
    if not any("manager" in run for run in listed):
        return table(COLUMNS, rows)
    whose = [str(run.get("manager") or "-") for run in listed]
    return table((*COLUMNS, "MANAGER"), [(*row, one) for row, one in zip(rows, whose, strict=True)])


def _run_cells(run: Json, now: datetime) -> tuple[str, ...]:
    accepted, started, finished = (_moment(run[key]) for key in ("accepted_at", "started_at", "finished_at"))
    assert accepted is not None
    waited = (started or finished or now) - accepted
    ran = "-" if started is None else duration((finished or now) - started)
    return (
        str(run["id"]),
        run["state"],
        run["cause"] or "-",
        run["version"] or "-",
        accepted.strftime("%Y-%m-%d %H:%M:%S"),
        duration(waited),
        ran,
        run["instance"] or "-",
    )


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell, two blanks apart."""
    lines = [head, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def duration(span: timedelta) -> str:
    """`340ms`, `12.5s`, `3m20s`, `5h02m`, `3d04h`."""
    seconds = max(0.0, span.total_seconds())
    if seconds < 1:
        return f"{seconds * 1000:.0f}ms"
    if seconds < 60:
        return f"{seconds:.1f}s"
    whole = int(seconds)
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02}m"
    return f"{whole // 86400}d{whole % 86400 // 3600:02}h"


def as_json(value: object) -> str:
    """Indented and plain ASCII, so that nothing in it can reach a terminal as a control sequence."""
    return json.dumps(value, indent=2)

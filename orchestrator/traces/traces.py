"""Traces of one manager: which runs have one, and who is told of them."""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from orchestrator import extras
from orchestrator.executions.run import Run
from orchestrator.executions.trace import Trace
from orchestrator.runtime_name import RuntimeName
from orchestrator.traces.export import Send, TraceExport
from orchestrator.traces.story import story_of

CLOSE_TIME = 2.0
"""Seconds for the last ones, when the manager leaves."""


class TracesNotInstalled(Exception):
    """They are asked for, and what they need is not installed; the text says what to do."""


class Traces:
    """`export` is told of runs that are over; `share`, 0 to 1: of those whose clients bring no trace."""

    def __init__(self, export: TraceExport, share: float) -> None:
        self.export = export
        self._share = share

    def begin(self) -> Trace:
        """For a run whose client brings none; its lines in the log have the id, exported or not."""
        return Trace(secrets.token_hex(16), None, random.random() < self._share)  # noqa: S311

    def after(self, tell: Callable[[Run], None]) -> Callable[[Run], None]:
        """What is told of each run whose story is over, after `tell`."""

        def tell_both(run: Run) -> None:
            tell(run)
            if (story := story_of(run)) is not None:
                self.export.add(story)

        return tell_both


@asynccontextmanager
async def opened_traces(
    url: str | None, share: float, limit: int, manager_id: str, runtime: RuntimeName
) -> AsyncIterator[Traces]:
    """`url`: None leaves it to `OTEL_EXPORTER_OTLP_…`; `limit`: runs that may wait.

    Raises TracesNotInstalled.
    """
    send, interrupt = await asyncio.to_thread(_delivery, url, manager_id, runtime)
    export = TraceExport(send, interrupt, limit)
    try:
        yield Traces(export, share)
    finally:
        await asyncio.to_thread(export.close, CLOSE_TIME)


def _delivery(url: str | None, manager_id: str, runtime: RuntimeName) -> tuple[Send, Callable[[], None]]:
    """Blocking, for its imports."""
    try:
        from orchestrator.traces.spans import otlp_exporter, resource_of, sending  # noqa: PLC0415
    except ModuleNotFoundError as missing:
        raise TracesNotInstalled(
            f"GENVM_TRACES needs {missing.name}, which is not installed: {extras.advice('traces')}"
        ) from missing
    exporter = otlp_exporter(url)
    return sending(exporter, resource_of(manager_id), runtime), exporter.shutdown

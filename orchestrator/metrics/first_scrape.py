"""Metrics from the first time that somebody asks for them: the client library is not imported before."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Awaitable, Callable

from orchestrator.metrics.sources import Sources

EXPOSITION = "orchestrator.metrics.exposition"

Scrape = Callable[[], Awaitable[tuple[bytes, str]]]
"""The text, and its content type."""


def scraper(sources: Sources) -> Scrape:
    """What answers with the metrics. A manager that nobody watches is a megabyte smaller."""
    made: Scrape | None = None

    async def scrape() -> tuple[bytes, str]:
        nonlocal made
        if made is None:
            exposition = await asyncio.to_thread(importlib.import_module, EXPOSITION)
            # Another scrape may have been first.
            made = made or exposition.scraper(sources)
        return await made()

    return scrape

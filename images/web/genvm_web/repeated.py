"""Looks that are taken again and again: one that fails is told of, and the next is taken all the same."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

log = structlog.get_logger(__name__)


def repeated(name: str, interval: float, look: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
    """A task that takes `look` every `interval` seconds until it is cancelled; `name` is the task's."""
    return asyncio.create_task(_repeat(name, interval, look), name=name)


async def stopped(*tasks: asyncio.Task[None]) -> None:
    """Cancel them, and wait until they have ended."""
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def _repeat(name: str, interval: float, look: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(interval)
        try:
            await look()
        except Exception:
            # Without the next one nobody would watch any more, and nobody would know.
            log.exception("look_failed", look=name)

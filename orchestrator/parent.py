"""Ending with the process that started this one, however that ends (manager-api 1.2, `--die-with-parent`)."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import structlog

from orchestrator.tasks import cancel_and_wait

log = structlog.get_logger(__name__)

LOOK_EVERY = 5.0
"""Seconds, where the kernel has no descriptor of a process to wait on."""


@asynccontextmanager
async def watched_parent(gone: Callable[[], None], parent: int | None = None) -> AsyncIterator[None]:
    """Call `gone` once when the parent has ended; `parent`: who it was, the present one without.

    A parent that ended before anybody looked is told of at once: its child has another by then.
    """
    expected = os.getppid() if parent is None else parent
    watching = asyncio.create_task(_watch(expected, gone), name="parent")
    try:
        yield
    finally:
        await cancel_and_wait(watching)


async def _watch(expected: int, gone: Callable[[], None]) -> None:
    await _ended(expected)
    log.info("parent_ended", pid=expected)
    gone()


async def _ended(expected: int) -> None:
    try:
        process = os.pidfd_open(expected)
    except ProcessLookupError:
        return
    except OSError:
        # An old kernel, or a sandbox that does not know the call.
        while os.getppid() == expected:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(LOOK_EVERY)
        return
    try:
        # Not before: the number may have been given to another process meanwhile.
        if os.getppid() == expected:
            await _readable(process)
    finally:
        os.close(process)


async def _readable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(descriptor, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(descriptor)

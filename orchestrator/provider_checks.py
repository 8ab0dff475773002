"""Asking an LLM provider one question, with the llm module's own clients where they are installed."""

from __future__ import annotations

import asyncio
import importlib
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Protocol, TypeVar

import structlog

log = structlog.get_logger(__name__)

MODULE = "genvm_llm.check"
ENDING = 5.0
"""Seconds for what is under way to end."""

T = TypeVar("T")


class ChecksUnavailable(Exception):
    """The provider clients are not installed."""


class CheckOne(Protocol):
    def __call__(self, config: Mapping[str, Any], prompt: Mapping[str, Any]) -> Coroutine[Any, Any, str]:
        """The answer's text. An exception with `causes`, `fatal` and `ctx` says why there is none."""


@asynccontextmanager
async def provider_checks(given: CheckOne | None = None) -> AsyncIterator[CheckOne]:
    """What is `given`; else the installed clients on a loop beside this one, which say it where none are."""
    if given is not None:
        yield given
        return
    checks = ChecksBeside(_installed)
    try:
        yield checks
    finally:
        await checks.aclose()


class ChecksBeside:
    """What `load` gives, on a loop and a thread of its own; both are there from the first check on.

    A server answers it as it likes: parsing a stream of tiny chunks, or of answers that are none yet, holds a
    loop up for seconds. Most managers are never asked for one, and the clients take megabytes.
    """

    def __init__(self, load: Callable[[], CheckOne]) -> None:
        self._load = load
        self._loop: asyncio.AbstractEventLoop | None = None

    async def __call__(self, config: Mapping[str, Any], prompt: Mapping[str, Any]) -> str:
        """See `CheckOne`. Cancelling ends the check."""
        check = await asyncio.to_thread(self._load)
        return await _on(self._begun(), check(config, prompt))

    def _begun(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            # asyncio's own: the clients start processes, which its watcher of children allows on any thread.
            self._loop = asyncio.new_event_loop()
            threading.Thread(target=_live, args=(self._loop,), name="provider-checks", daemon=True).start()
        return self._loop

    async def aclose(self) -> None:
        """End what is under way. No check comes any more."""
        if (loop := self._loop) is None:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(ENDING):
                await _on(loop, _all_ended())
        loop.call_soon_threadsafe(loop.stop)


async def _on(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, T]) -> T:
    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, loop))


def _live(loop: asyncio.AbstractEventLoop) -> None:
    try:
        loop.run_forever()
    finally:
        loop.close()


async def _all_ended() -> None:
    """All tasks of this loop but this one."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


def _installed() -> CheckOne:
    """Raises ChecksUnavailable."""
    try:
        found: CheckOne = importlib.import_module(MODULE).check_one
    except ImportError as missing:
        log.info("no_provider_clients", reason=str(missing))
        raise ChecksUnavailable(
            "this manager has no provider clients: the package genvm_llm or what it needs is not installed"
        ) from missing
    return found

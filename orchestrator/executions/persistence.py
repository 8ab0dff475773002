"""Trying again what must be done and does no harm when it is done twice."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from tenacity import AsyncRetrying, retry_if_exception_type, wait_exponential

from orchestrator import descriptors
from orchestrator.runtime.port import NoDescriptors

T = TypeVar("T")


async def persistently(work: Callable[[], Awaitable[T]], *failures: type[Exception]) -> T:
    """Try until none of `failures` is raised, 0.2 s to 5 s apart: giving up would lose something."""
    try:
        return await work()
    except failures as failure:
        # Hardly anything is tried twice, and each run tries many things: set up when it is needed.
        return await _again(work, failure, failures)


async def _again(
    work: Callable[[], Awaitable[T]], failure: Exception, failures: tuple[type[Exception], ...]
) -> T:
    first: Exception | None = failure
    wait = wait_exponential(0.2, max=5)
    async for attempt in AsyncRetrying(retry=retry_if_exception_type(failures), wait=wait):
        with attempt:
            if first is not None:
                failure, first = first, None
                raise failure
            return await work()
    raise AssertionError("unreachable")


@contextmanager
def naming_descriptors() -> Iterator[None]:
    """A context in which a failure for want of a descriptor is NoDescriptors, wherever it came from."""
    try:
        yield
    except Exception as failure:
        if descriptors.used_up(failure):
            raise NoDescriptors("the manager has no file descriptor left (ulimit -n)") from failure
        raise

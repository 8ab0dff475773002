"""Trying again what must be done and does no harm when it is done twice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tenacity import AsyncRetrying, retry_if_exception_type, wait_exponential

from orchestrator import descriptors
from orchestrator.runtime.port import NoDescriptors


def persistently(*failures: type[Exception]) -> AsyncRetrying:
    """Try until none of `failures` is raised, 0.2 s to 5 s apart: giving up would lose something."""
    return AsyncRetrying(retry=retry_if_exception_type(failures), wait=wait_exponential(0.2, max=5))


@contextmanager
def naming_descriptors() -> Iterator[None]:
    """A context in which a failure for want of a descriptor is NoDescriptors, wherever it came from."""
    try:
        yield
    except Exception as failure:
        if descriptors.used_up(failure):
            raise NoDescriptors("the manager has no file descriptor left (ulimit -n)") from failure
        raise

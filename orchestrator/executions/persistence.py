"""Trying again what must be done and does no harm when it is done twice."""

from __future__ import annotations

from tenacity import AsyncRetrying, retry_if_exception_type, wait_exponential


def persistently(*failures: type[Exception]) -> AsyncRetrying:
    """Try until none of `failures` is raised, 0.2 s to 5 s apart: giving up would lose something."""
    return AsyncRetrying(retry=retry_if_exception_type(failures), wait=wait_exponential(0.2, max=5))

"""The list of attempts, and how an attempt's failure is named."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any

Attempt = Callable[..., Any]
ATTEMPTS: dict[str, Attempt] = {}
"""Name → what is done; it gets the job, returns what the test is to read, as JSON can carry it."""


def attempt(function: Attempt) -> Attempt:
    """Name it by its module and its own name, e.g. `files.fill`."""
    ATTEMPTS[f"{function.__module__.rpartition('.')[2]}.{function.__name__}"] = function
    return function


def outcome(act: Callable[[], object]) -> str:
    """`ok` when it went well, else the name of the kernel's error."""
    try:
        act()
    except OSError as error:
        return name_of(error)
    return "ok"


def name_of(error: OSError) -> str:
    return errno.errorcode.get(error.errno or 0, type(error).__name__)

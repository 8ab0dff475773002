"""The other thing that is looked for: inputs that are answered as they should be, but too late.

What counts is the processor time of the thread that works: a machine which stands still finds nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from tests.fuzz.report import Broken

T = TypeVar("T")

LONGEST = 0.25
"""Seconds of processor time for one input: the loop would stand still for as long."""


def in_time(work: Callable[[], T], shown: Callable[[], str]) -> T:
    """The result of `work`. Raises Broken, with the input as `shown`, when it takes too long."""
    begun = time.thread_time()
    result = work()
    took = time.thread_time() - begun
    if took > LONGEST:
        raise Broken(f"{took:.2f} s of processor time for {shown()[:2000]}")
    return result

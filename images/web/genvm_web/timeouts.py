"""Lengths of time as configurations and contracts write them (modules 2.1 and 1.9)."""

from __future__ import annotations

import math
import re

UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0}
TIMEOUT = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m)?")
WAIT = re.compile(r"([0-9]{1,18})(ms|s)")


def timeout_seconds(value: object) -> float:
    """A number of seconds, or a decimal number with `ms`, `s` or `m`. Raises ValueError.

    Decimal text without a unit is seconds: fractions reach the module as text.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("not a number of seconds, nor text such as 30s")
    if isinstance(value, str):
        match = TIMEOUT.fullmatch(value.strip())
        if match is None:
            raise ValueError("not a decimal number with ms, s or m")
        value = float(match[1]) * UNITS[match[2] or "s"]
    if not math.isfinite(value) or value < 0:
        raise ValueError("not a finite time of zero or more")
    return float(value)


def wait_seconds(text: str) -> float:
    """`wait_after_loaded`: whole `ms` or `s`. Raises ValueError."""
    match = WAIT.fullmatch(text)
    if match is None:
        raise ValueError("not a whole number with ms or s")
    return int(match[1]) * UNITS[match[2]]

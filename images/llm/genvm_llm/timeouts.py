"""Durations in configurations and prompts (modules 2.1)."""

from __future__ import annotations

import math
import re

_TEXT = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m)?")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, None: 1.0}


class TimeoutMalformed(ValueError):
    """Neither a number of seconds nor a number with `ms`, `s` or `m`."""


def seconds(value: object) -> float | None:
    """Seconds, or None for null. A bare decimal text counts as seconds: fractions travel as text.

    Raises TimeoutMalformed.
    """
    if value is None:
        return None
    if isinstance(value, str) and (match := _TEXT.fullmatch(value)):
        return float(match[1]) * _SECONDS[match[2]]
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0:
        return float(value)
    raise TimeoutMalformed("a timeout is a number of seconds, or text such as '500ms', '1.5s', '2m'")

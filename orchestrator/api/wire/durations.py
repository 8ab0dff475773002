"""Duration texts such as `30s` or `1.5ms` (manager-api 5)."""

from __future__ import annotations

import re
from datetime import timedelta

_FORM = re.compile(r"(?=\.?[0-9])([0-9]{0,20})(?:\.([0-9]{1,20}))?(ms|s|m|h)", re.ASCII)
_MILLISECONDS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}
LONGEST = timedelta(days=36_500)


def parse_duration(text: object) -> timedelta:
    """A whole number of milliseconds, rounded down; at most a hundred years. Raises ValueError."""
    match = _FORM.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError('must be a duration such as "30s", "250ms", "1.5m" or "1h"')
    whole, fraction, unit = match.groups()
    digits = fraction or ""
    milliseconds = int((whole or "0") + digits) * _MILLISECONDS[unit] // 10 ** len(digits)
    return timedelta(milliseconds=min(milliseconds, LONGEST // timedelta(milliseconds=1)))

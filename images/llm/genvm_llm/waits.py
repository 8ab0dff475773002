"""How long a provider asks to be left alone (`Retry-After`; modules.md, correction 4)."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime


def wait_of(value: str | None, now: float | None = None) -> float | None:
    """Seconds: of a number of them, whole or not, or of a date; None for anything else.

    `now` is the time of the answer in seconds since 1970, by default this machine's.
    """
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        return _until(value, time.time() if now is None else now)
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def wait_in(headers: Mapping[str, str]) -> float | None:
    """Of an answer's headers. A date is measured from the answer's own, since clocks differ."""
    milliseconds = wait_of(headers.get("Retry-After-Ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    return wait_of(headers.get("Retry-After"), _moment(headers.get("Date")))


def _until(date: str, now: float) -> float | None:
    moment = _moment(date)
    return None if moment is None else max(0.0, moment - now)


def _moment(date: str | None) -> float | None:
    try:
        return parsedate_to_datetime(date or "").timestamp()
    except (ValueError, TypeError, IndexError, OverflowError, OSError):
        return None

"""Durations and sizes as the service's environment writes them (modules 4.4)."""

from __future__ import annotations

import re

NUMBER = r"(\d+(?:\.\d+)?)"
DURATION = re.compile(rf"{NUMBER}\s*(ms|s|m|h)?", re.IGNORECASE)
SIZE = re.compile(rf"{NUMBER}\s*(b|kb|mb|gb|kib|mib|gib)", re.IGNORECASE)

SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
BYTES = {
    "b": 1,
    "kb": 1000,
    "mb": 1000**2,
    "gb": 1000**3,
    "kib": 1024,
    "mib": 1024**2,
    "gib": 1024**3,
}


def duration(text: str) -> float:
    """Seconds; a number without a unit is milliseconds. Raises ValueError."""
    match = DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"not a duration such as 120s: {text!r}")
    return float(match[1]) * SECONDS[(match[2] or "ms").lower()]


def size(text: str) -> int:
    """Whole bytes. Raises ValueError."""
    match = SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"not a size such as 5MiB: {text!r}")
    return int(float(match[1]) * BYTES[match[2].lower()])

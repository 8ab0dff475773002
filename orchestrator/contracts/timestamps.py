"""RFC 3339 timestamps as clients send and expect them."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_FORM = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}:\d{2})(?:\.(\d{1,30}))?([Zz]|[+-]\d{2}:\d{2})", re.ASCII
)


def parse_timestamp(text: str) -> datetime:
    """An aware datetime in UTC; digits after the microsecond are dropped.

    Raises ValueError with a text for people.
    """
    match = _FORM.fullmatch(text)
    if match is None:
        raise ValueError(f"{text[:80]!r} is not an RFC 3339 timestamp such as 2024-11-26T06:42:42Z")
    day, time, fraction, zone = match.groups()
    micros = ((fraction or "") + "000000")[:6]
    offset = "+00:00" if zone in "Zz" else zone
    try:
        return datetime.fromisoformat(f"{day}T{time}.{micros}{offset}").astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{text[:80]!r} is not an RFC 3339 timestamp: {error}") from None


def format_timestamp(moment: datetime) -> str:
    """RFC 3339 with the offset `+00:00` and fractional digits as needed (manager-api 3.1)."""
    return moment.astimezone(UTC).isoformat()

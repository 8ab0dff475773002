"""Timestamps as clients send them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from orchestrator.contracts.timestamps import format_timestamp, parse_timestamp


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("2024-11-26T06:42:42.424242Z", 424242),
        ("2024-11-26T06:42:42.424242123+00:00", 424242),
        ("2024-11-26t08:42:42.4+02:00", 400000),
        ("2024-11-26 06:42:42z", 0),
    ],
)
def test_accepted_forms(text: str, micros: int) -> None:
    assert parse_timestamp(text) == datetime(2024, 11, 26, 6, 42, 42, micros, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["", "now", "2024-11-26", "2024-11-26T06:42:42", "20241126T064242Z", "2024-13-01T00:00:00Z"]
)
def test_refused_forms(text: str) -> None:
    with pytest.raises(ValueError, match="RFC 3339"):
        parse_timestamp(text)


def test_the_offset_is_written_out() -> None:
    assert format_timestamp(parse_timestamp("2026-02-10T14:00:00.5+02:00")) == (
        "2026-02-10T12:00:00.500000+00:00"
    )

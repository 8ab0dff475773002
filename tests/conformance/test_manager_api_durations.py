"""Duration texts (manager-api 5)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from orchestrator.api.wire.durations import parse_duration

TAKEN = {
    "30s": 30_000,
    "10.5m": 630_000,
    "250ms": 250,
    "1h": 3_600_000,
    "0s": 0,
    ".5s": 500,
    "1.5ms": 1,
    "0.0015s": 1,
    "1.9995s": 1999,
}
REFUSED = [
    "30",
    "30q",
    "5M",
    "-1s",
    "1e3s",
    "1 s",
    " 1s",
    "1.2.3s",
    "5.s",
    "s",
    ".s",
    "",
    "١s",
    "1s\n",
    30,
    1.5,
    None,
]


@pytest.mark.parametrize(("text", "milliseconds"), TAKEN.items())
def test_a_duration_is_whole_milliseconds_rounded_down(text: str, milliseconds: int) -> None:
    assert parse_duration(text) == timedelta(milliseconds=milliseconds)


@pytest.mark.parametrize("text", REFUSED)
def test_anything_else_is_no_duration(text: Any) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)


def test_a_huge_one_is_a_hundred_years() -> None:
    assert parse_duration("9" * 20 + "h") == timedelta(days=36_500)

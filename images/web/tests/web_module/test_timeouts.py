"""modules 2.1 and 1.9: lengths of time."""

from __future__ import annotations

import pytest

from genvm_web.timeouts import timeout_seconds, wait_seconds


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(60, 60), (0, 0), (0.5, 0.5), ("0.5", 0.5), ("500ms", 0.5), ("1.5s", 1.5), ("3m", 180), ("60", 60)],
)
def test_timeouts(value: object, seconds: float) -> None:
    assert timeout_seconds(value) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "value", [True, None, [], "", "1h", "-1s", -1, float("nan"), float("inf"), "1e3s", "s"]
)
def test_what_is_no_timeout(value: object) -> None:
    with pytest.raises(ValueError, match="not a"):
        timeout_seconds(value)


@pytest.mark.parametrize(("text", "seconds"), [("0ms", 0), ("500ms", 0.5), ("10s", 10), ("007s", 7)])
def test_waits(text: str, seconds: float) -> None:
    assert wait_seconds(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "5", "5m", "1.5s", "-1s", " 1s", "1 s", "٣s", "9" * 30 + "s"])
def test_what_is_no_wait(text: str) -> None:
    with pytest.raises(ValueError, match="not a"):
        wait_seconds(text)

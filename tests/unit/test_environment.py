"""Values of `/env`: so many, and so much of them, as may stay in memory."""

from __future__ import annotations

import pytest

from orchestrator.environment import MOST_CHARACTERS, MOST_ENTRIES, EnvironmentFull, EnvironmentOverlay


def test_so_many_values_are_kept_and_each_can_be_set_again() -> None:
    overlay = EnvironmentOverlay((), {})
    for number in range(MOST_ENTRIES):
        overlay.learn({str(number): "x"})
    overlay.set("0", "y")
    assert overlay.get("0") == "y"
    with pytest.raises(EnvironmentFull, match="10000 values"):
        overlay.set("one more", "x")


def test_so_much_is_kept_and_one_that_is_set_again_counts_once() -> None:
    overlay = EnvironmentOverlay((), {})
    half = "x" * (MOST_CHARACTERS // 2 - 1)
    for value in (half, half):
        overlay.set("a", value)
    overlay.set("b", half)
    with pytest.raises(EnvironmentFull, match="16777216 characters"):
        overlay.set("c", "x")
    assert overlay.get("c") is None

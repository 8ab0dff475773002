"""Readiness: each part with its reason, and none that flickers."""

from __future__ import annotations

from orchestrator.readiness import Check, Readiness
from tests.hand_clock import HandClock


class Part:
    def __init__(self, **times: float) -> None:
        self.trouble: str | None = None
        self.check = Check(lambda: self.trouble, **times)


def test_each_part_has_its_reason_and_the_first_counts() -> None:
    engine, disk = Part(), Part()
    seen = Readiness({"engine": engine.check, "disk": disk.check}, HandClock())
    assert (seen.failing(), seen.reason()) == ({}, None)
    disk.trouble = "full"
    assert (seen.failing(), seen.reason()) == ({"disk": "full"}, "full")
    engine.trouble = "away"
    assert (seen.failing(), seen.reason()) == ({"engine": "away", "disk": "full"}, "away")
    engine.trouble = disk.trouble = None
    assert seen.failing() == {}


def test_what_was_bad_has_to_be_good_for_a_while() -> None:
    clock, engine = HandClock(), Part(settle=3)
    seen = Readiness({"engine": engine.check}, clock)
    assert seen.failing() == {}
    engine.trouble = "away"
    assert seen.failing() == {"engine": "away"}
    engine.trouble = None
    assert seen.failing() == {"engine": "away"}
    clock.seconds += 2.9
    assert seen.failing() == {"engine": "away"}
    engine.trouble = "away again"
    assert seen.failing() == {"engine": "away again"}
    engine.trouble = None
    clock.seconds += 2.9
    assert seen.failing() == {"engine": "away again"}
    clock.seconds += 3
    assert seen.failing() == {}


def test_what_is_good_for_the_first_time_counts_at_once() -> None:
    """A manager that takes another's place is looked at before it has asked its engine anything."""
    clock, engine = HandClock(), Part(settle=3)
    seen = Readiness({"engine": engine.check}, clock)
    engine.trouble = "not asked yet"
    assert seen.failing() == {"engine": "not asked yet"}
    engine.trouble = None
    assert seen.failing() == {}
    engine.trouble = "away"
    assert seen.failing() == {"engine": "away"}
    engine.trouble = None
    assert seen.failing() == {"engine": "away"}


def test_what_mends_itself_soon_never_counts() -> None:
    clock, module = HandClock(), Part(patience=10)
    seen = Readiness({"llm_module": module.check}, clock)
    for _ in range(3):
        module.trouble = "gone"
        assert seen.failing() == {}
        clock.seconds += 9.9
        assert seen.failing() == {}
        module.trouble = None
        assert seen.failing() == {}
    module.trouble = "gone"
    assert seen.failing() == {}
    clock.seconds += 10
    assert seen.failing() == {"llm_module": "gone"}

"""Tables, times, and text that nobody should trust."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.operations.presentation import as_json, duration, runs_table
from orchestrator.operations.reasons import Reason, instance_of, reason_of
from orchestrator.terminal_text import harmless


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0ms"), (0.34, "340ms"), (12.5, "12.5s"), (200, "3m20s"), (18120, "5h02m"), (273600, "3d04h")],
)
def test_durations_are_short(seconds: float, text: str) -> None:
    assert duration(timedelta(seconds=seconds)) == text


def test_a_run_s_waiting_and_running_are_told_apart() -> None:
    run = {
        "id": 7,
        "state": "running",
        "cause": None,
        "version": "v0.2.7",
        "accepted_at": "2024-11-26T06:42:42+00:00",
        "started_at": "2024-11-26T06:42:44+00:00",
        "finished_at": None,
        "instance": "run-7",
    }
    _, line = runs_table([run], datetime(2024, 11, 26, 6, 43, 44, tzinfo=UTC)).splitlines()
    assert line.split() == ["7", "running", "-", "v0.2.7", "2024-11-26", "06:42:42", "2.0s", "1m00s", "run-7"]


def test_no_runs_are_a_head_alone() -> None:
    assert runs_table([], datetime(2024, 1, 1, tzinfo=UTC)).startswith("ID  STATE")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\n\tü 漢", "plain\n\tü 漢"),
        ("\x1b[2Jgone", r"\x1b[2Jgone"),
        ("\x9b31m\r\x00\x07", r"\x9b31m\r\x00\x07"),
        ("\u202eabc", r"\u202eabc"),
    ],
)
def test_control_characters_are_shown_and_not_obeyed(text: str, shown: str) -> None:
    assert harmless(text) == shown


def test_json_is_plain_ascii() -> None:
    assert as_json({"error": "\x1b[2J\x9b"}).isascii()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("run-1", Reason.RUN_ENDED),
        ("run-2", Reason.RUN_UNKNOWN),
        ("run-x", Reason.NO_RUN),
        ("warm-3", Reason.NO_RUN),
    ],
)
def test_leftovers_have_a_reason(name: str, reason: Reason) -> None:
    assert reason_of(name, {1}.__contains__) is reason


def test_a_run_without_an_instance_has_the_name_that_it_will_have() -> None:
    assert (instance_of(7, None), instance_of(7, "warm-1")) == ("run-7", "warm-1")

"""From inspect to InstanceExit, as a table."""

from __future__ import annotations

import pytest

from orchestrator.runtime.docker.exits import exit_of, has_ended, may_lack_oom
from orchestrator.runtime.meeting import describe
from orchestrator.runtime.port import InstanceExit


def state(code: object, **more: object) -> dict[str, object]:
    return {"State": {"Status": "exited", "ExitCode": code, "OOMKilled": False, "Error": "", **more}}


@pytest.mark.parametrize(
    ("inspected", "oom_event", "expected"),
    [
        (state(0), False, InstanceExit(0, None, False)),
        (state(1), False, InstanceExit(1, None, False)),
        (state(128), False, InstanceExit(128, None, False)),
        (state(137), False, InstanceExit(None, 9, False)),
        (state(139), False, InstanceExit(None, 11, False)),
        (state(143), False, InstanceExit(None, 15, False)),
        (state(192), False, InstanceExit(None, 64, False)),
        (state(193), False, InstanceExit(193, None, False)),
        (state(255), False, InstanceExit(255, None, False)),
        (state(137, OOMKilled=True), False, InstanceExit(None, 9, True)),
        (state(137), True, InstanceExit(None, 9, True)),
        (state(1, OOMKilled=True), False, InstanceExit(1, None, True)),
        (state(0, OOMKilled=True), True, InstanceExit(0, None, False)),
        (state(127, Error="no such file"), False, InstanceExit(127, None, False, "no such file")),
        (state("1"), False, InstanceExit(None, None, False, "the engine does not say how it ended")),
        ({}, False, InstanceExit(None, None, False, "the engine does not say how it ended")),
    ],
)
def test_exit(inspected: dict[str, object], oom_event: bool, expected: InstanceExit) -> None:
    assert exit_of(inspected, oom_event=oom_event) == expected


@pytest.mark.parametrize(
    ("status", "ended"),
    [
        ("created", False),
        ("running", False),
        ("paused", False),
        ("restarting", False),
        ("removing", False),
        ("exited", True),
        ("dead", True),
        (None, False),
    ],
)
def test_has_ended(status: object, ended: bool) -> None:
    assert has_ended({"State": {"Status": status}}) is ended


def test_only_a_sigkill_without_the_flag_may_still_turn_out_to_be_oom() -> None:
    assert may_lack_oom(InstanceExit(None, 9, False))
    assert not may_lack_oom(InstanceExit(None, 9, True))
    assert not may_lack_oom(InstanceExit(None, 11, False))
    assert not may_lack_oom(InstanceExit(137, None, False))


@pytest.mark.parametrize(
    ("ended", "text"),
    [
        (InstanceExit(3, None, False), "it exited with code 3"),
        (InstanceExit(3, None, False, "boom"), "it exited with code 3: boom"),
        (InstanceExit(None, 9, False), "signal 9 ended it"),
        (InstanceExit(None, 9, True), "it was killed at its memory limit"),
        (InstanceExit(None, None, False), "it ended, and it is not known how"),
    ],
)
def test_describe(ended: InstanceExit, text: str) -> None:
    assert describe(ended) == text

"""Lines of the engine's event stream."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from orchestrator.runtime.docker.engine import lines
from orchestrator.runtime.docker.events import ContainerEvent, parse
from orchestrator.runtime.docker.exits import CLEAN
from orchestrator.runtime.docker.settings import DockerSettings
from orchestrator.runtime.docker.watch import Watch

GOOD = {"Type": "container", "Action": "die", "Actor": {"ID": "abc"}, "timeNano": 5}


def test_a_container_event_is_understood() -> None:
    assert parse(json.dumps(GOOD).encode()) == ContainerEvent("abc", "die", 5)


@pytest.mark.parametrize(("text", "code"), [("0", 0), ("137", 137), ("-1", None), ("x", None), (0, None)])
def test_the_end_of_a_container_comes_with_its_exit_code(text: object, code: int | None) -> None:
    event = {**GOOD, "Actor": {"ID": "abc", "Attributes": {"exitCode": text, "name": "n"}}}
    assert parse(json.dumps(event).encode()) == ContainerEvent("abc", "die", 5, code)


@pytest.mark.parametrize(
    "line",
    [b"", b"{", b"[]", b"null", b"\xff", b"{}"]
    + [
        json.dumps({**GOOD, **change}).encode()
        for change in (
            {"Type": "image"},
            {"Action": "exec_create: sh"},
            {"Actor": None},
            {"Actor": {"ID": 1}},
            {"timeNano": "5"},
        )
    ],
)
def test_anything_else_is_a_value_error(line: bytes) -> None:
    with pytest.raises(ValueError):
        parse(line)


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        ([b"a\nb\n"], [b"a", b"b"]),
        ([b"a", b"b\nc", b"\n"], [b"ab", b"c"]),
        ([b"\n\r\n", b"a\r\n"], [b"a\r"]),
        ([b"unfinished"], []),
        ([b"x" * 11, b"x\nok\n"], [b"ok"]),
        ([b"x" * 11, b"x" * 11, b"\nok\n"], [b"ok"]),
    ],
)
def test_lines_are_put_together_and_oversize_ones_dropped(chunks: list[bytes], expected: list[bytes]) -> None:
    assert list(lines(iter(chunks), limit=10)) == expected


@pytest.mark.parametrize(("code", "asked"), [("0", False), ("1", True), ("137", True)])
async def test_of_a_clean_end_the_engine_is_not_asked(
    code: str, asked: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = Watch(cast("Any", None), DockerSettings(manager_id="m", state_dir=tmp_path))
    ends: list[object] = []
    reconciled: list[object] = []
    monkeypatch.setattr(watch, "reconcile", reconciled.append)
    watch.add(cast("Any", SimpleNamespace(engine_id="abc", meeting=SimpleNamespace(end=ends.append))))
    event = {**GOOD, "Actor": {"ID": "abc", "Attributes": {"exitCode": code}}}
    watch.stream._deliver(json.dumps(event).encode())
    assert (ends, bool(reconciled)) == ([] if asked else [CLEAN], asked)

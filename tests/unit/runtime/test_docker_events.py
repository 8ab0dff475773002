"""Lines of the engine's event stream."""

from __future__ import annotations

import json

import pytest

from orchestrator.runtime.docker.engine import lines
from orchestrator.runtime.docker.events import ContainerEvent, parse

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

"""What `make lint` says of files and functions that have grown too long."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

SPEC = importlib.util.spec_from_file_location("sizes", Path(__file__).parents[2] / ".ci" / "sizes.py")
assert SPEC is not None and SPEC.loader is not None
sizes = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(sizes)


def function(lines: int, kind: str = "def") -> str:
    return f"{kind} f():\n" + "    pass\n" * (lines - 1)


@pytest.mark.parametrize(
    ("source", "found"),
    [
        pytest.param("x = 1\n" * 500, [], id="a file at its bar"),
        pytest.param("x = 1\n" * 501, [("a.py", 501, 500)], id="a file over it"),
        pytest.param(function(60), [], id="a function at its bar"),
        pytest.param(function(61), [("a.py:f", 61, 60)], id="a function over it"),
        pytest.param(function(61, "async def"), [("a.py:f", 61, 60)], id="a coroutine"),
        pytest.param("class A:\n" + "    x = 1\n" * 99, [], id="a class may be longer"),
    ],
)
def test_what_is_over_its_bar(source: str, found: list[tuple[str, int, int]]) -> None:
    assert list(sizes.over("a.py", source)) == found

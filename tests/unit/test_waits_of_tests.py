"""Tests that wait for what nobody tells them of do it in one place: tests/until.py.

Programs that tests start have nothing of theirs, and sleep as they like.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PLACES = ("tests", *(f"images/{path.name}/tests" for path in (ROOT / "images").iterdir()))
PAUSES = {"sleep", "turn", "settle", "several_turns"}


def polls(file: Path) -> Iterator[int]:
    """The lines of loops that do nothing but let time pass until something holds."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.While) and all(_pauses(statement) for statement in node.body):
            yield node.lineno


def _pauses(statement: ast.stmt) -> bool:
    if not isinstance(statement, ast.Expr) or not isinstance(statement.value, ast.Await):
        return False
    call = statement.value.value
    name = call.func if isinstance(call, ast.Call) else None
    return (isinstance(name, ast.Attribute) and name.attr in PAUSES) or (
        isinstance(name, ast.Name) and name.id in PAUSES
    )


def test_no_test_looks_again_and_again_by_itself() -> None:
    files = [file for place in PLACES for file in sorted((ROOT / place).rglob("*.py"))]
    found = [
        f"{file.relative_to(ROOT)}:{line}"
        for file in files
        if file != ROOT / "tests" / "until.py"
        for line in polls(file)
    ]
    assert found == []

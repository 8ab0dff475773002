"""How long the executions and the edge wait stands in one record each, which tests give other values."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "orchestrator"
FILES = sorted(
    file
    for room in ("api", "executions", "views")
    for file in (ROOT / room).rglob("*.py")
    if file.name != "times.py"
)
# A share of the time, how often a second, the longest that can be said at all, and a unit.
NO_TIMES = {
    "SHARE",
    "LOGGED_AT_ONCE, LOGGED_PER_SECOND",
    "IDLE_AT_ONCE, IDLE_PER_SECOND",
    "LONGEST",
    "MICROSECOND",
}


def constants(file: Path) -> list[str]:
    """Names of a module's constants with a number that is none of a count, or a difference of times."""
    return [
        names
        for node in ast.parse(file.read_text("utf-8")).body
        if isinstance(node, ast.Assign | ast.AnnAssign) and any(map(_is_time, ast.walk(node)))
        for names in [_names(node)]
        if names not in NO_TIMES
    ]


def _is_time(part: ast.AST) -> bool:
    if isinstance(part, ast.Call):
        return ast.unparse(part.func) == "timedelta"
    return isinstance(part, ast.Constant) and isinstance(part.value, float)


def _names(node: ast.Assign | ast.AnnAssign) -> str:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return ", ".join(ast.unparse(target).strip("()") for target in targets)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_a_module_has_no_times_of_its_own(file: Path) -> None:
    assert constants(file) == []

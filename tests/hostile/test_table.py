"""The table in README.md and the tests of this folder are the same."""

from __future__ import annotations

import ast
import re
from pathlib import Path

FOLDER = Path(__file__).parent
ROWS = 23


def table() -> dict[int, set[str]]:
    """Row → names of its tests."""
    rows = {}
    for line in (FOLDER / "README.md").read_text("utf-8").splitlines():
        if found := re.match(r"\| (\d+) \|.*\|(.*)\|$", line):
            rows[int(found[1])] = set(re.findall(r"`(test_\w+)`", found[2]))
    return rows


def written() -> set[str]:
    found = set()
    for file in FOLDER.glob("test_*.py"):
        if file.name != Path(__file__).name:
            nodes = ast.walk(ast.parse(file.read_text("utf-8")))
            functions = (node for node in nodes if isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef))
            found |= {node.name for node in functions if node.name.startswith("test_")}
    return found


def test_every_row_has_its_tests() -> None:
    assert {row for row, named in table().items() if named} == set(range(1, ROWS + 1))


def test_every_test_that_is_named_exists_and_every_test_is_named() -> None:
    assert set().union(*table().values()) == written()

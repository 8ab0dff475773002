"""What the edge takes from executions beside the service are values: types and constants, no functions."""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
BEHIND = "orchestrator.executions."


def taken() -> Iterator[tuple[str, str, str]]:
    """Who takes what from which module behind the edge."""
    for file in sorted((ROOT / "orchestrator" / "api").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(BEHIND):
                yield from ((file.name, str(node.module), name.name) for name in node.names)


def test_the_edge_takes_no_function_from_behind_the_service() -> None:
    found = list(taken())
    functions = [
        (who, module, name)
        for who, module, name in found
        if inspect.isroutine(getattr(importlib.import_module(module), name))
    ]
    assert found
    assert functions == []


def test_the_edge_takes_no_module_whole() -> None:
    """Its functions would come with it."""
    whole = [
        (file.name, name.name)
        for file in sorted((ROOT / "orchestrator" / "api").rglob("*.py"))
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        for name in _whole(node)
        if f"{name.name}.".startswith(BEHIND)
    ]
    assert whole == []


def _whole(node: ast.AST) -> list[ast.alias]:
    if isinstance(node, ast.Import):
        return node.names
    if isinstance(node, ast.ImportFrom) and node.module == BEHIND.removesuffix("."):
        return [ast.alias(BEHIND + name.name) for name in node.names]
    return []

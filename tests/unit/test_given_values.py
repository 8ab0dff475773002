"""Times and limits of the heart and of the edge are given to them: no test patches a constant of theirs."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROOMS = ("orchestrator.api", "orchestrator.executions")
KERNELS = {
    ("orchestrator.executions.node_files", "_OPENAT2"),
    ("orchestrator.executions.prompt_devices", "MOUNTS"),
}
"""What another kernel has otherwise: a call that it lacks, a file of its own."""


def patched(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Module and constant of each `setattr(module, "CONSTANT", …)`."""
    known = {
        name.asname or name.name: f"{node.module}.{name.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module
        for name in node.names
    }
    for node in ast.walk(tree):
        match node:
            case ast.Call(
                func=ast.Attribute(attr="setattr"),
                args=[ast.Name(id=target), ast.Constant(value=str(name)), _],
            ) if name.isupper():
                yield known.get(target, target), name
            case ast.Call(func=ast.Attribute(attr="setattr"), args=[ast.Constant(value=str(path)), _]):
                module, _, name = path.rpartition(".")
                if name.isupper():
                    yield module, name


def test_no_test_patches_a_constant_of_theirs() -> None:
    texts = {file: file.read_text("utf-8") for file in (ROOT / "tests").rglob("*.py")}
    found = {
        one
        for text in texts.values()
        if ".setattr(" in text
        for one in patched(ast.parse(text))
        if one[0].startswith(ROOMS)
    }
    assert found == KERNELS

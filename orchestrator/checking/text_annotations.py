"""Annotations that are text: this executor resolves them for the schema, the reference gives none.

The contract itself is the same on every node, so that they are warnings: what shows a contract, as Studio and
explorers do, has its schema from reference nodes.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from orchestrator.checking.problem import Problem

_WHOLE = "`from __future__ import annotations` makes text of every annotation"
_ONE = "the annotation is text, or has text within"
_CONSEQUENCE = "reference nodes make no schema of that, and Studio and explorers cannot show the contract"
Function = ast.FunctionDef | ast.AsyncFunctionDef


def text_annotations(code: bytes) -> list[Problem]:
    """One for each public method; one alone where they all are. Empty for what is no Python."""
    try:
        text = code.decode()
        tree = ast.parse(text)
    except (UnicodeDecodeError, SyntaxError, ValueError, RecursionError):
        return []
    lines = text.splitlines()
    public = [fn for fn in ast.walk(tree) if isinstance(fn, Function) and _is_public(fn)]
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module == "__future__":
            annotated = any(True for fn in public for _ in _annotations(fn))
            if annotated and any(one.name == "annotations" for one in node.names):
                return [_problem(lines, node.lineno, _WHOLE, "take the line out")]
    found = [next((one.lineno for one in _annotations(fn) if _has_text(one)), None) for fn in public]
    return [_problem(lines, at, _ONE, "write the type itself") for at in found if at is not None]


def _problem(lines: list[str], line: int, what: str, advice: str) -> Problem:
    return Problem("warning", line, f"{what}: {_CONSEQUENCE}", advice, "", lines[line - 1].strip())


def _is_public(fn: Function) -> bool:
    return any("public" in ast.unparse(one).split(".") for one in fn.decorator_list)


def _annotations(fn: Function) -> Iterator[ast.expr]:
    arguments = fn.args
    for one in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
        if one.annotation is not None:
            yield one.annotation
    if fn.returns is not None:
        yield fn.returns


def _has_text(annotation: ast.expr) -> bool:
    """Also within a generic type; a Literal's texts are values, and so are an Annotated's notes."""
    if isinstance(annotation, ast.Constant):
        return isinstance(annotation.value, str)
    if isinstance(annotation, ast.Subscript):
        generic = ast.unparse(annotation.value).rpartition(".")[2]
        if generic == "Literal":
            return False
        if generic == "Annotated" and isinstance(annotation.slice, ast.Tuple):
            return _has_text(annotation.slice.elts[0])
    return any(_has_text(one) for one in ast.iter_child_nodes(annotation) if isinstance(one, ast.expr))

"""Imports inside functions, which a node meets only when they run: asked of the executor beforehand.

The same file is run once more with nothing in it but its header, those imports, each on its own line, and an
empty contract. So it is the executor that knows what there is.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

from genvm_wire.contract_lines import rules_of_code
from genvm_wire.line_rules import LATER_LINE, OLD_LINE

Import = ast.Import | ast.ImportFrom

_CONTRACT = """
from genlayer import *
class Probe(gl.Contract):
    def __init__(self):
        pass
"""
_LATER_CONTRACT = """
import genlayer
class Probe(genlayer.contract.Contract):
    def __init__(self):
        pass
"""
_CONTRACTS: Mapping[str, str] = {OLD_LINE: _CONTRACT, LATER_LINE: _LATER_CONTRACT}
"""An empty one, by line."""


def probe(code: bytes, without: frozenset[int] = frozenset()) -> bytes | None:
    """The file to run; null when there is nothing to ask. `without`: lines that are known already."""
    try:
        text = code.decode()
        tree = ast.parse(text)
    except (UnicodeDecodeError, SyntaxError, ValueError, RecursionError):
        return None
    asked = {node.lineno: node for node in _late(tree) if node.lineno not in without}
    if not asked:
        return None
    lines = text.splitlines()
    kept = [line if line.startswith("#") else "" for line in lines]
    header = next((number for number, line in enumerate(lines) if not line.startswith("#")), len(lines))
    kept[header:] = [""] * (len(lines) - header)
    for number, node in asked.items():
        kept[number - 1] = ast.unparse(node)
    contract = _CONTRACTS[rules_of_code(code).name]
    return ("\n".join(kept) + "\n" + contract).encode()


def _late(tree: ast.AST, *, inside: bool = False) -> Iterator[Import]:
    """Imports in functions; not those that are tried, whose absence the contract expects."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Try | ast.TryStar):
            continue
        if isinstance(node, ast.Import):
            if inside:
                yield node
        elif isinstance(node, ast.ImportFrom):
            if inside and not node.level:
                yield node
        else:
            deeper = inside or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from _late(node, inside=deeper)

"""Names inside functions, which a node meets only when they run: asked of the executor beforehand.

The same file is run once more with those names at its end, each on a line of its own. So it is the executor
that knows which of them there are, those of the library's modules (`gl.vm.UserError`) included.
"""

from __future__ import annotations

import ast
import builtins
import dis
from collections.abc import Iterator
from types import CodeType

_LIBRARY = "gl"
_DEEPER = frozenset(("LOAD_ATTR", "LOAD_METHOD"))
_ASKS = frozenset(("hasattr", "getattr"))


def late_names(code: bytes) -> dict[str, int]:
    """What functions use of the module: `name` or `gl.name.name`, and the first line that does.

    Not what they try, since a contract that tries expects that it may be missing. Empty for a file that this
    interpreter cannot read.
    """
    try:
        tree = ast.parse(code.decode())
        compiled = compile(tree, "contract.py", "exec", dont_inherit=True)
    except (UnicodeDecodeError, SyntaxError, ValueError, RecursionError):
        return {}
    tried = {line for node in ast.walk(tree) if isinstance(node, ast.Try) for line in _lines(node.body)}
    functions = list(_inside(compiled))
    made = {
        one.argval for part in functions for one in dis.get_instructions(part) if one.opname == "STORE_GLOBAL"
    }
    found: dict[str, int] = {}
    for part in functions:
        for name, line in _used(part):
            if line not in tried and name not in made and not hasattr(builtins, name):
                found.setdefault(name, line)
    return found


def probe(code: bytes, names: list[str]) -> tuple[bytes, int]:
    """The file to run, and the line before the first of the names."""
    body = code.rstrip() + b"\n"
    return body + "\n".join(names).encode() + b"\n", body.count(b"\n")


def _lines(body: list[ast.stmt]) -> range:
    return range(body[0].lineno, (body[-1].end_lineno or body[-1].lineno) + 1)


def _inside(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _inside(constant)


def _used(code: CodeType) -> Iterator[tuple[str, int]]:
    name, line = "", 0
    for one in dis.get_instructions(code):
        at = one.positions.lineno if one.positions else None
        if name and one.opname in _DEEPER and name.partition(".")[0] == _LIBRARY:
            name = f"{name}.{one.argval}"
            continue
        if name:
            yield name, line
        name, line = ("", 0) if one.opname != "LOAD_GLOBAL" or at is None else (one.argval, at)
        if name == _LIBRARY and _ASKS & set(code.co_names):
            name = ""
    if name:
        yield name, line

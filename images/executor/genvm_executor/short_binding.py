"""Leaves out of the WebAssembly engine's binding what nobody here names: `short_binding FOLDER`.

The binding declares all functions of the engine's C interface when it is imported, and an executor's start
waits for it; a quarter of them is used. Runs while an image is built, on the installed package. What is named
by whoever is left is kept, so that the rest of the binding works as ever, but for its component model.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

DECLARATIONS = "_bindings.py"
NOTICE = (
    "# Changed by genvm-orchestrator while an image was built: declarations that the executor does not use\n"
    "# were left out. Everything else is as `wasmtime` has it.\n"
)


def shortened(source: str, users: Iterable[str]) -> str:
    """`source`, a module of declarations, without those that neither the texts `users` nor kept ones name."""
    tree = ast.parse(source)
    declared: dict[str, list[ast.stmt]] = {}
    for statement in tree.body:
        if (name := _declares(statement)) is not None:
            declared.setdefault(name, []).append(statement)
    wanted = {word for text in users for word in re.findall(r"\w+", text) if word in declared}
    kept: set[str] = set()
    while wanted:
        name = wanted.pop()
        kept.add(name)
        wanted |= {other for one in declared[name] for other in _named(one) if other in declared} - kept
    tree.body = [one for one in tree.body if (name := _declares(one)) is None or name in kept]
    return f"{NOTICE}{ast.unparse(tree)}\n"


def _declares(statement: ast.stmt) -> str | None:
    """What a statement makes, or says more of; None: it is no declaration, and stays."""
    match statement:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return name
        case ast.Assign(targets=[target]) | ast.AnnAssign(target=target):
            while isinstance(target, ast.Attribute):
                target = target.value
            return target.id if isinstance(target, ast.Name) else None
    return None


def _named(statement: ast.stmt) -> Iterator[str]:
    return (node.id for node in ast.walk(statement) if isinstance(node, ast.Name))


def main(library: Path) -> None:
    """Shorten it in the folder `library`, which has the binding and this package."""
    binding = library / "wasmtime"
    declarations = binding / DECLARATIONS
    users = [*binding.glob("*.py"), *(library / "genvm_executor").rglob("*.py")]
    texts = (user.read_text("utf-8") for user in users if user != declarations)
    declarations.write_text(shortened(declarations.read_text("utf-8"), texts), "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

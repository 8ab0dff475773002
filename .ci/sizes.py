"""Size bars: no file over 500 lines, no function over 60. Part of `make lint`.

What is over them is printed, with exit code 1: it has a noun in it that nobody has named yet.
What has none is listed here, with its reason.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

LONGEST_FILE = 500
LONGEST_FUNCTION = 60

EXCEPTIONS: dict[str, str] = {}
"""A file, or `file:function` → why it may be over."""


def over(name: str, source: str) -> Iterator[tuple[str, int, int]]:
    """What is over its bar: name, lines, bar."""
    lines = len(source.splitlines())
    if lines > LONGEST_FILE:
        yield name, lines, LONGEST_FILE
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > LONGEST_FUNCTION:
                yield f"{name}:{node.name}", length, LONGEST_FUNCTION


def main() -> int:
    listed = subprocess.run(["git", "ls-files", "-z", "*.py"], check=True, capture_output=True, text=True)
    names = [name for name in listed.stdout.split("\0") if name and Path(name).exists()]
    found = [one for name in names for one in over(name, Path(name).read_text("utf-8"))]
    problems = [
        f"{name}: {lines} lines, the bar is {bar}" for name, lines, bar in found if name not in EXCEPTIONS
    ]
    stale = EXCEPTIONS.keys() - {name for name, _, _ in found}
    problems += [f"{name}: no exception is needed any more" for name in stale]
    print("\n".join(sorted(problems)) or f"sizes: {len(names)} files are within their bars")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())

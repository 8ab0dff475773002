"""What tells contract lines apart is said in one table (`genvm_executor.lines`)."""

from __future__ import annotations

import re
from pathlib import Path

import genvm_executor
from genvm_executor.lines import LINES

ROOT = Path(genvm_executor.__file__).parent
NAMED = re.compile(r"""["']v0\.\d+["']""")


def test_no_other_file_asks_for_a_line_by_its_name() -> None:
    files = [
        path for path in ROOT.rglob("*.py") if path.name != "lines.py" and ROOT / "guest" not in path.parents
    ]
    assert [str(path) for path in files if NAMED.search(path.read_text("utf-8"))] == []


def test_each_line_is_found_by_its_name_and_has_a_text_for_each_trap() -> None:
    assert all(name == line.name for name, line in LINES.items())
    first, *others = LINES.values()
    assert all(line.texts.traps.keys() == first.texts.traps.keys() for line in others)


def test_each_field_tells_lines_apart() -> None:
    """What is the same in all of them is no part of a table."""
    first, *others = LINES.values()
    names = type(first).__match_args__
    same = [name for name in names if all(getattr(first, name) == getattr(o, name) for o in others)]
    assert same == []

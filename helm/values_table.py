"""The table of values in the chart's README, from the comments of values.yaml that begin with `# --`.

    python helm/values_table.py            writes it
    python helm/values_table.py --check    exits 1 when it is not current

Every value that is no map of its own has such a comment, on the line above it; what is open to any content
(a map that is empty, or one with a comment of its own) is one row.
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).parent / "genvm-orchestrator"
BEGIN, END = "<!-- values -->", "<!-- end of values -->"
MARK = "# -- "
KEY = re.compile(r"^(?P<indent> *)(?P<name>[A-Za-z0-9]+):")


class Uncommented(Exception):
    """A value has no comment, or a comment no value; the text names it."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    path: str
    default: str
    text: str


def rows(source: str) -> list[Row]:
    """The table of a values.yaml. Raises Uncommented."""
    comments = _comments(source)
    found = [
        Row(path, default, comments.pop(path)) for path, default in _leaves(yaml.safe_load(source), comments)
    ]
    if comments:
        raise Uncommented(f"{', '.join(comments)}: a comment that belongs to no value")
    return found


def table(found: list[Row]) -> str:
    """As Markdown."""
    lines = [f"| `{row.path}` | `{row.default}` | {row.text.replace('|', '&#124;')} |" for row in found]
    return "\n".join(["| value | default | |", "|---|---|---|", *lines])


def updated(readme: str, found: list[Row]) -> str:
    """`readme` with the table between its marks."""
    before, rest = readme.split(BEGIN)
    return f"{before}{BEGIN}\n{table(found)}\n{END}{rest.split(END)[1]}"


def _comments(source: str) -> dict[str, str]:
    """Comments by the path of the value in the line below."""
    found: dict[str, str] = {}
    above: list[tuple[int, str]] = []
    waiting: str | None = None
    for line in source.splitlines():
        if line.strip().startswith(MARK):
            waiting = line.strip().removeprefix(MARK)
        elif key := KEY.match(line):
            indent = len(key["indent"])
            above = [*(one for one in above if one[0] < indent), (indent, key["name"])]
            if waiting is not None:
                found[".".join(name for _, name in above)] = waiting
                waiting = None
    return found


def _leaves(value: Any, comments: dict[str, str], path: str = "") -> list[tuple[str, str]]:
    if path in comments or not isinstance(value, dict) or not value:
        if path not in comments:
            raise Uncommented(f"{path} has no comment")
        return [(path, json.dumps(value))]
    return [
        leaf
        for name, below in value.items()
        for leaf in _leaves(below, comments, f"{path}.{name}".lstrip("."))
    ]


def main(check: bool) -> int:
    readme = CHART / "README.md"
    now = readme.read_text("utf-8")
    wanted = updated(now, rows((CHART / "values.yaml").read_text("utf-8")))
    if now == wanted:
        return 0
    if check:
        print("the table in the chart's README is not current: python helm/values_table.py", file=sys.stderr)
        return 1
    readme.write_text(wanted, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))

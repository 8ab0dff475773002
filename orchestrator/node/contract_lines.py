"""The contract's own lines in what the interpreter wrote about its end."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_FRAME: Final = re.compile(
    r'^\s*File "/contract(?P<file>\.py|/[^"]+)", line (?P<line>\d+)(?:, in (?P<name>.+))?$'
)
_TRACE: Final = "Traceback (most recent call last):"


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a contract. `file`: empty for a contract of one file; `line`: from 1; `name`: a function."""

    file: str
    line: int
    name: str = ""

    def shown(self, contract: str = "contract") -> str:
        where = f"{self.file or contract}:{self.line}"
        return f"{where}, in {self.name}" if self.name else where


def places(stderr: str) -> list[Place]:
    """Of the last traceback, the innermost last."""
    last = stderr.rpartition(_TRACE)[2]
    return [
        Place("" if found["file"] == ".py" else found["file"][1:], int(found["line"]), found["name"] or "")
        for found in map(_FRAME.match, last.splitlines())
        if found is not None
    ]


def complaint(stderr: str) -> str:
    """The last line that is about the error itself: `ValueError: …`; empty when there is no traceback."""
    head, trace, last = stderr.rpartition(_TRACE)
    del head
    lines = [line for line in last.splitlines() if line.strip() and not line.startswith((" ", "\t"))]
    return lines[-1].strip() if trace and lines else ""


def line_of(code: bytes, number: int) -> str:
    """One line of a contract that is one text; empty when there is none."""
    try:
        lines = code.decode().splitlines()
    except UnicodeDecodeError:
        return ""
    return lines[number - 1].strip() if 0 < number <= len(lines) else ""

"""Commands as the pages have them: what stands in their blocks for a shell."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[3]
BLOCK = re.compile(r"^(?P<indent> *)```(?P<kind>\w*)\n(?P<text>.*?)^ *```$", re.MULTILINE | re.DOTALL)
ASSIGNMENT = re.compile(r"\w+=")
PROGRAM = "genvm-orchestrator"
LEFT_OPEN = re.compile(r"\s…\S*|…\S*")


@dataclass(frozen=True, slots=True)
class Command:
    """`words`: without what a shell takes for itself; `at`: where it stands, for people."""

    at: str
    line: str
    words: tuple[str, ...]


@cache
def pages() -> tuple[Path, ...]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "*.md"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return tuple(ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file())


def commands(page: Path, kinds: tuple[str, ...] = ("", "sh", "console")) -> Iterator[Command]:
    """What a reader would type. In a block with prompts, only what stands after one."""
    text = page.read_text("utf-8")
    for block in BLOCK.finditer(text):
        if block["kind"] not in kinds:
            continue
        lines = block["text"].replace("\\\n", " ").splitlines()
        prompted = any(line.lstrip().startswith("$ ") for line in lines)
        for line in map(str.strip, lines):
            if prompted and not line.startswith("$ "):
                continue
            at = f"{page.relative_to(ROOT)}: {line}"
            yield from (Command(at, line, words) for words in _commands(line.removeprefix("$ ")))


def _commands(line: str) -> Iterator[tuple[str, ...]]:
    """Each of a line: beside one another, in a pipe, or in brackets."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="();<>|&")
    lexer.whitespace_split = True
    try:
        found = list(lexer)
    except ValueError:  # no line for a shell
        return
    words: list[str] = []
    to_file = False
    for word in [*found, ";"]:
        if to_file:
            to_file = False
        elif word in (">", ">>", "<"):
            to_file = True
        elif set(word) <= set("();<>|&"):
            yield from _one(words)
            words = []
        else:
            words.append(word)


def _one(words: list[str]) -> Iterator[tuple[str, ...]]:
    while words and ASSIGNMENT.match(words[0]):
        words = words[1:]
    if words:
        yield tuple(words)

"""One name for one thing (docs/architecture.md, Words), and texts that people can look up."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
CODE = sorted((REPOSITORY / "orchestrator").rglob("*.py"))
EVERYTHING = [
    *CODE,
    *(
        path
        for folder in ("images", "tests", "bench")
        for path in sorted((REPOSITORY / folder).rglob("*.py"))
    ),
]
SAME_EVERYWHERE = ("Session", "Outcome", "Entry", "Answer", "Health")
"""Words that fit too much: a class that is called so by itself means nothing where there is another."""


def texts_of(path: Path) -> Iterator[str]:
    """What is written in quotes, places for values as {}; without docstrings."""
    tree = ast.parse(path.read_text("utf-8"))
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(tree):
        if isinstance(node, documented):
            node.body = [one for one in node.body if not _is_docstring(one)] or [ast.Pass()]
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(one.value) if isinstance(one, ast.Constant) else "{}" for one in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def prose_of(page: Path) -> str:
    """A page without code and without addresses of links."""
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"`[^`]*`|\]\([^)]*\)", "", text)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_pages_say_run(page: Path) -> None:
    if page.name != "architecture.md":
        assert re.findall(r"(?i).*(?<!/)\bexecutions?\b.*", prose_of(page)) == []


def test_texts_that_leave_the_process_say_run() -> None:
    sentences = {text for path in CODE for text in texts_of(path) if " " in text.strip()}
    assert [text for text in sentences if re.search(r"(?i)(?<![/.\"\w])executions?\b(?![/\"])", text)] == []


@pytest.mark.parametrize("name", SAME_EVERYWHERE)
def test_no_two_classes_have_a_name_that_fits_too_much(name: str) -> None:
    found = defaultdict(list)
    for path in EVERYTHING:
        for line in path.read_text("utf-8").splitlines():
            if re.match(rf"\s*class {name}\b", line):
                found[name].append(str(path.relative_to(REPOSITORY)))
    assert len(found[name]) <= 1, found[name]


def test_what_the_runbook_quotes_is_said() -> None:
    """An operator looks for the words that are in front of them."""
    said = "\n".join(text for path in CODE for text in texts_of(path))
    rows = re.findall(
        r"^\| ([^|]*\"[^|]*) \|", (REPOSITORY / "docs/runbook.md").read_text("utf-8"), re.MULTILINE
    )
    quoted = [words for row in rows for words in re.findall(r'"([^"]+)"', row)]
    assert len(quoted) > 15
    unsaid = [words for words in quoted if not re.search(_pattern(words), said)]
    assert unsaid == []


def _pattern(words: str) -> str:
    """`…` and `N` stand for values."""
    return ".*".join(re.escape(part) for part in re.split(r"\s*(?:…|\bN\b)\s*", words))

"""Pages that are made from the code say what the code says, and every page has its place in the site."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.__main__ import make_parser
from orchestrator.checking import cli as checking_cli
from orchestrator.company import FENCED
from orchestrator.node import cli as node_cli
from orchestrator.operations import cli as operations_cli
from orchestrator.reference import causes, cli
from orchestrator.reference.examples import EXAMPLES
from orchestrator.reference.pages import DOCS, PAGES

TOCTREE = re.compile(r"^```\{toctree\}\n(?::.*\n)*\n((?:.+\n)*)```$", re.MULTILINE)


@pytest.mark.parametrize(("path", "page"), PAGES.items(), ids=[path.name for path in PAGES])
def test_a_page_is_current(path: Path, page: Callable[[], str]) -> None:
    assert path.read_text("utf-8") == page(), "write it anew: make reference"


def test_every_page_of_the_site_s_contents_is_there_and_stands_there_once() -> None:
    contents = "".join(TOCTREE.findall((DOCS / "index.md").read_text("utf-8"))).split()
    pages = {str(page.relative_to(DOCS).with_suffix("")) for page in DOCS.rglob("*.md")}
    assert len(contents) > 40
    assert len(contents) == len(set(contents))
    assert set(contents) <= pages


def test_every_command_has_an_example() -> None:
    words = {" ".join(words) for words, _, _ in cli.commands(make_parser(), ())}
    assert words == set(EXAMPLES)


def test_every_command_and_argument_says_what_it_is() -> None:
    silent = [
        f"{' '.join(words)} {action.dest}"
        for words, parser, about in cli.commands(make_parser(), ())
        for action in parser._actions
        if not about or not (action.help or action.choices)
    ]
    assert silent == []


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("inspect", operations_cli.EXIT_UNKNOWN),
        ("logs", operations_cli.EXIT_UNKNOWN),
        ("deploy", node_cli.EXIT_USAGE),
        ("deploy", node_cli.EXIT_NO_RESULT),
        ("tx", node_cli.EXIT_NO_RESULT),
        ("check", checking_cli.EXIT_UNCHECKED),
        ("serve", FENCED),
    ],
)
def test_the_page_of_the_command_has_its_exit_codes(command: str, code: int) -> None:
    rows = [line.split(" | ") for line in cli.page().splitlines() if line.startswith(f"| {code} |")]
    assert any(command in row[1].split(", ") for row in rows)


def test_every_reason_is_one_of_the_runbook_s() -> None:
    runbook = (DOCS / "runbook.md").read_text("utf-8")
    missing = [
        f"{cause} {reason}"
        for cause, reasons in causes.REASONS.items()
        for reason in reasons
        if f"| `{cause.value}` | `{reason}` |" not in runbook
    ]
    assert missing == []

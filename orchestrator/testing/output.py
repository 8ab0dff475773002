"""What contracts print, among what their test prints: pytest shows it with a test that fails, or with -s."""

from __future__ import annotations

import sys
from typing import Final, TextIO

from orchestrator.node.contract_lines import complaint, line_of, places
from orchestrator.node.presentation import receipt_line
from orchestrator.node.receipts import Receipt
from orchestrator.node.run_report import RunReport

LAST_LINES: Final = 60
LONGEST_LINE: Final = 500


def show(what: str, run: RunReport | Receipt) -> None:
    """`what`: whose output it is, in front of each line."""
    _lines(what, run.stdout, sys.stdout)
    _lines(what, run.stderr, sys.stderr)


def show_delivery(delivered: Receipt, code: bytes, file: str) -> None:
    """Of a message; one that failed, which nothing raises, with its place in the contract."""
    if delivered.status != "finished":
        print(f"message failed: {receipt_line(delivered)}")
        if found := places(delivered.stderr):
            source = "" if found[-1].file else line_of(code, found[-1].line)
            said = ": ".join(filter(None, (source, complaint(delivered.stderr))))
            print(f"  at {found[-1].shown(file)}: {said}")
    show(f"{file} {delivered.kind}", delivered)


def _lines(what: str, text: str, target: TextIO) -> None:
    """The last of them: a loop that prints must not bury what the test itself has to say."""
    lines = text.splitlines()
    if len(lines) > LAST_LINES:
        print(f"{what} | … {len(lines) - LAST_LINES} lines before these", file=target)
    for line in lines[-LAST_LINES:]:
        print(f"{what} | {line[:LONGEST_LINE]}", file=target)

"""Lines of contracts are told from one another by tables: a further line is one more entry in each."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from genvm_executor.lines import LINES
from genvm_wire.contract_lines import RUNNERS, rules_of_code
from genvm_wire.contract_package import DEFAULT_VERSION
from genvm_wire.line_rules import LATER_LINE, LINE_RULES, OLD_LINE
from genvm_wire.results import ResultCode, build_sub_result, parse_sub_result
from genvm_wire.runner_ids import RULES
from genvm_wire.storage_layout import ROOT_FIELDS
from orchestrator.checking import late_imports, problem

ROOT = Path(__file__).parents[3]
PLACES = ("orchestrator", "images/base/genvm_wire", "images/executor/genvm_executor", "images/release")
NAMES, TEXTS = {"OLD_LINE", "LATER_LINE"}, {"v0.2", "v0.3"}
BY_STORAGE = "images/executor/genvm_executor/requests/line_choice.py"
"""What lies in storage tells the line there, as the second line's own layout has it."""


def comparisons(source: str) -> Iterator[int]:
    """The lines where something is compared with the name of a line of contracts."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Compare):
            for one in (node.left, *node.comparators):
                if (isinstance(one, ast.Name) and one.id in NAMES) or (
                    isinstance(one, ast.Constant) and one.value in TEXTS
                ):
                    yield node.lineno


def test_nothing_is_compared_with_a_line_beside_the_tables() -> None:
    files = [
        file
        for place in PLACES
        for file in sorted((ROOT / place).rglob("*.py"))
        if "guest" not in file.parts and "tests" not in file.parts
    ]
    found = [
        f"{name}:{line}"
        for file in files
        if (name := file.relative_to(ROOT).as_posix()) != BY_STORAGE
        for line in comparisons(file.read_text("utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize(
    "table",
    [LINES, RUNNERS, DEFAULT_VERSION, RULES, ROOT_FIELDS, late_imports._CONTRACTS, problem._LINE_ADVICE],
    ids=["executor", "published", "versions", "runners", "storage", "imports", "advice"],
)
def test_every_table_has_every_line(table: Mapping[str, object]) -> None:
    assert table.keys() == LINE_RULES.keys()


@pytest.mark.parametrize(("line", "written"), [(OLD_LINE, b"\1no"), (LATER_LINE, b"\1\x14no")])
def test_user_errors_are_texts_or_values_by_the_line(line: str, written: bytes) -> None:
    assert build_sub_result(ResultCode.USER_ERROR, "no", line) == written
    assert parse_sub_result(written, line) == (ResultCode.USER_ERROR, "no")


def test_code_that_names_no_line_is_of_the_first() -> None:
    assert rules_of_code(b"").name == OLD_LINE

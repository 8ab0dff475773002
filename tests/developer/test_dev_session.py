"""`genvm-orchestrator test` over the examples and over cases of our own: one command, one session."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.developer.conftest import found_by_executors

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
CASES = Path(__file__).parent / "cases"
LIGHT = ("-p", "no:schemathesis", "-p", "no:hypothesispytest", "-p", "no:anyio")
"""Plugins that are installed for other tests take seconds to import."""
MEANT_TO_FAIL = "meant_to_fail.py"


def environment(compiled: str) -> dict[str, str]:
    """Without the settings of a manager that may run here."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("GENVM_")}
    return others | found_by_executors(compiled)


@pytest.fixture(scope="module")
def summary(compiled: str) -> dict[str, Any]:
    files = [str(path) for path in sorted(CASES.glob("*.py"))]
    ran = subprocess.run(
        [sys.executable, "-m", "orchestrator", "test", "--json", str(EXAMPLES), *files, "--", *LIGHT],
        cwd=ROOT,
        env=environment(compiled),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stdout, ran.stderr
    found = json.loads(ran.stdout.splitlines()[-1])
    assert isinstance(found, dict)
    return found


def of(summary: Mapping[str, Any], part: str) -> list[dict[str, Any]]:
    return [one for one in summary["tests"] if part in one["test"]]


def failures(tests: list[dict[str, Any]]) -> list[str]:
    return [f"{one['test']}\n{one.get('text')}" for one in tests if one["outcome"] != "passed"]


def test_every_example_has_tests_that_pass(summary: dict[str, Any]) -> None:
    assert summary["broken"] == []
    assert failures(of(summary, "examples/")) == []
    tested = {Path(one["test"].partition("::")[0]).stem for one in of(summary, "examples/")}
    assert {f"test_{path.stem}" for path in EXAMPLES.iterdir() if is_run_here(path)} == tested


def is_run_here(path: Path) -> bool:
    """Every file of a contract."""
    if path.is_dir():
        return (path / "runner.json").is_file()
    if path.suffix == ".py" and not path.stem.startswith("test_"):
        return '"Depends"' in path.read_text("utf-8")
    return path.suffix == ".wat"


@pytest.mark.parametrize(
    "case", sorted(path.name for path in CASES.glob("*.py") if path.name != MEANT_TO_FAIL)
)
def test_a_case(summary: dict[str, Any], case: str) -> None:
    tests = of(summary, case)
    assert tests
    assert failures(tests) == []


@pytest.mark.parametrize(
    ("test", "said"),
    [
        ("an_error_of_the_contract", "counter.py:30, in add: if amount < 0:"),
        ("a_page_that_is_not_mocked", "no page is mocked for 'https://nowhere.example/'"),
        ("a_mock_that_fails", "the mock failed: ZeroDivisionError: https://broken.example/"),
    ],
)
def test_a_failing_test_says_why(summary: dict[str, Any], test: str, said: str) -> None:
    (found,) = of(summary, f"{MEANT_TO_FAIL}::test_with_{test}")
    assert found["outcome"] == "failed"
    assert said in found["text"]
    assert summary["exit_code"] == 1

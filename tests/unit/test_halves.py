"""The suite's two halves: every folder of tests is in one, and tests have the same names in every process."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.halves import PROCESSES, half

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("folder", PROCESSES)
def test_each_folder_without_containers_is_there(folder: str) -> None:
    assert list((ROOT / folder).rglob("test_*.py"))


def test_what_nobody_named_is_with_the_containers() -> None:
    assert half("tests/unit/test_halves.py::test_it") == "processes"
    assert half("tests/new/test_it.py::test_it") == half("tests/e2e/test_it.py::test_it") == "containers"

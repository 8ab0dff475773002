"""The version is said in pyproject.toml; everything else that says one says the same."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import genvm_executor
import genvm_llm
import genvm_web
from orchestrator.version import VERSION

ROOT = Path(__file__).parents[2]


def said_in(project: Path) -> str | None:
    """Null where the version is read from the package."""
    said = tomllib.loads(project.read_text("utf-8"))["project"].get("version")
    return None if said is None else str(said)


def test_every_package_has_the_version_of_the_project() -> None:
    main = said_in(ROOT / "pyproject.toml")
    others = {str(path): said_in(path) for path in sorted(ROOT.glob("images/*/pyproject.toml"))}
    assert len(others) == 4
    assert set(others.values()) <= {main, None}, others
    assert main == VERSION == genvm_executor.VERSION == genvm_llm.VERSION == genvm_web.VERSION


def test_the_changelog_knows_every_version_that_was_released() -> None:
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text("utf-8"), flags=re.MULTILINE)
    assert headings[0] == "Unreleased"
    assert len(headings) == len(set(headings))

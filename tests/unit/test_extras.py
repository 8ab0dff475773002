"""Advice about extras can be followed: what it names is there, and no other place names something else."""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from pathlib import Path

import pytest

from orchestrator import extras
from orchestrator.testing import command
from orchestrator.version import VERSION

ROOT = Path(__file__).parents[2]
ADVICE = re.compile(r"extras\.advice\((.*?)\)")
ON_AN_INDEX = "install 'genvm-orchestrator["


def test_it_names_the_release_s_wheel_and_a_checkout() -> None:
    said = extras.advice("executor", "test")
    assert f"'./genvm_orchestrator-{VERSION}-py3-none-any.whl[executor,test]'" in said
    assert "pip install '.[executor,test]'" in said


def test_every_extra_that_is_advised_exists() -> None:
    there = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"])
    sources = [path.read_text("utf-8") for path in (ROOT / "orchestrator").rglob("*.py")]
    named = {name for text in sources for one in ADVICE.findall(text) for name in re.findall(r"\w+", one)}
    assert named
    assert named <= there


def test_nothing_is_said_to_be_on_an_index() -> None:
    files = [*(ROOT / "orchestrator").rglob("*.py"), *(ROOT / "docs").glob("*.md"), ROOT / "README.md"]
    assert [path.name for path in files if ON_AN_INDEX in path.read_text("utf-8")] == []


def test_tests_without_pytest_say_both_extras_that_they_need(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "pytest", None)
    assert command.run(argparse.Namespace()) == command.EXIT_USAGE
    assert "[executor,test]'" in capsys.readouterr().err

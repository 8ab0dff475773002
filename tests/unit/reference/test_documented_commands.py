"""Every command in the documentation is there: the real command reads it, and does the cheap ones."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from orchestrator.__main__ import main, parsed
from tests.unit.reference.documented import PROGRAM, ROOT, Command, commands, pages

QUICKSTART, REFERENCE = ROOT / "docs" / "quickstart.md", ROOT / "docs" / "cli.md"
TARGET = re.compile(r"^([a-z-]+):", re.MULTILINE)
ALL = [command for page in pages() for command in commands(page)]
OURS = [command for command in ALL if Path(command.words[0]).name == PROGRAM]
LEFT_OPEN = "…"
OTHERS = {"make", "curl", "export", "source", PROGRAM}
"""What the quick start and the reference may ask a reader to type."""


def test_there_are_such_commands() -> None:
    assert len(OURS) > 40
    assert {command.words[0] for page in (QUICKSTART, REFERENCE) for command in commands(page)} <= OTHERS


@pytest.mark.parametrize("command", OURS, ids=lambda command: command.at)
def test_the_command_reads_it(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    words = [word for word in command.words[1:] if LEFT_OPEN not in word or word.startswith("0x")]
    try:
        parsed(words)
    except SystemExit as left:
        assert left.code == 0, capsys.readouterr().err


def test_every_target_of_make_is_there() -> None:
    targets = set(TARGET.findall((ROOT / "Makefile").read_text("utf-8")))
    named = {
        word
        for command in ALL
        if command.words[0] == "make"
        for word in command.words[1:]
        if word.islower() and not word.startswith("-")
    }
    assert named <= targets, named - targets
    assert "docs" in targets


def test_files_of_the_quick_start_are_there() -> None:
    named = [
        word for command in commands(QUICKSTART) for word in command.words if word.startswith("examples/")
    ]
    assert named
    assert all((ROOT / name).is_file() for name in named)


def test_the_cheap_ones_of_the_quick_start_do_what_they_should(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENVM_STATE_DIR", str(tmp_path))
    done = []
    for command in commands(QUICKSTART):
        said = command.words[1:]
        if command.words[0] == PROGRAM and said[0] in ("token", "config"):
            assert main(list(said)) == 0
            done.append((said[0], capsys.readouterr().out))
    (_, token), (_, config) = done
    secret, line = token.splitlines()
    assert secret.startswith("genvm_")
    assert json.loads(line)["name"] == "node-1"
    assert yaml.safe_load(config)["state_dir"] == str(tmp_path)

"""What a program can read of each command: `--json` wherever there is a result."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.__main__ import main, make_parser
from orchestrator.access.entries import parse_tokens
from orchestrator.access.token import digest_of
from orchestrator.operations.source import manager_id
from orchestrator.reference.cli import commands
from orchestrator.state_dir import owned_state_dir
from orchestrator.store.journal import open_journal
from orchestrator.store.port import AcceptedRow
from orchestrator.store.sqlite import sqlite_url

OWNER = "0123456789ab"
WITHOUT = {
    "serve": "it goes on, and its log is JSON lines where no terminal is (GENVM_LOG_FORMAT)",
    "engine-filter": "it goes on",
    "demo": "for people",
    "completion": "for shells",
}


def test_every_command_with_a_result_has_it_as_json() -> None:
    silent = {
        " ".join(words)
        for words, parser, _ in commands(make_parser(), ())
        if "--json" not in parser._option_string_actions
    }
    assert silent == set(WITHOUT)


def test_a_backup_and_the_way_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state_dir, file = tmp_path / "state", tmp_path / "backup.sqlite"
    with owned_state_dir(state_dir, OWNER):
        asyncio.run(_one_run(state_dir))
    where = [str(file), "--state-dir", str(state_dir), "--json"]
    assert main(["backup", *where]) == 0
    assert json.loads(capsys.readouterr().out) == {"file": str(file), "bytes": file.stat().st_size}
    assert main(["restore", *where]) == 0
    journal = state_dir / "journal.sqlite"
    assert json.loads(capsys.readouterr().out) == {
        "journal": str(journal),
        "ended": 1,
        "kept": f"{journal}.before-1",
        "kept_earlier": [],
    }
    assert manager_id(state_dir) == OWNER


async def _one_run(state_dir: Path) -> None:
    journal = await open_journal(sqlite_url(state_dir / "journal.sqlite"), OWNER)
    await journal.write(AcceptedRow(1, "queued", 1, 2, 1, None, b"request", b"terms"))
    await journal.aclose()


OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")


@pytest.mark.parametrize("command", ["ps", "inspect 1", "logs 1", "gc", "backup FILE", "restore FILE"])
def test_what_a_command_advises_it_takes(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a directory that is no manager's."""
    words = [str(tmp_path / word) if word == "FILE" else word for word in command.split()]
    assert main([*words, "--state-dir", str(tmp_path / "nothing")]) == 1
    advised = set(OPTION.findall(capsys.readouterr().err))
    (taken,) = [
        set(parser._option_string_actions)
        for name, parser, _ in commands(make_parser(), ())
        if name == (words[0],)
    ]
    assert advised <= taken
    assert words[0] == "restore" or "--state-dir" in advised


def test_a_token_and_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["token", "new", "--name", "a", "--scope", "read", "--namespace", "n", "--json"]) == 0
    printed = capsys.readouterr()
    made = json.loads(printed.out)
    [entry] = parse_tokens(json.dumps(made["line"]))
    assert (entry.digest, printed.err) == (digest_of(made["token"]), "")


@pytest.mark.parametrize(
    ("burst", "rate"),
    [
        ("--requests-burst", "--requests-per-second"),
        ("--bytes-burst", "--bytes-per-second"),
        ("--runs-burst", "--runs-per-minute"),
    ],
)
def test_a_burst_that_would_bound_nothing_is_refused(
    burst: str, rate: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["token", "new", "--name", "a", "--scope", "read", "--namespace", "n", burst, "3"]
    assert main(words) == 2
    printed = capsys.readouterr()
    assert (printed.out, f"{burst} bounds nothing without {rate}" in printed.err) == ("", True)
    assert main([*words, rate, "1"]) == 0


@pytest.mark.parametrize("command", ["completion bash", "config show"])
def test_a_reader_that_has_enough_is_no_failure(command: str) -> None:
    """As behind `head`: it is gone before anything was written."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as end:
        ran = subprocess.run(
            [sys.executable, "-m", "orchestrator", *command.split()],
            stdout=end,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert (ran.returncode, ran.stderr) == (141, b"")

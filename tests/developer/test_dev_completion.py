"""The completion script, asked by the shell that it is for."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from orchestrator.__main__ import make_parser
from orchestrator.completion import SHELLS, script
from tests.unpacked import unpacked

ASK = """
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_genvm_orchestrator
echo "${COMPREPLY[@]}"
"""


TYPED = pytest.mark.parametrize(
    ("words", "found"),
    [
        (["che"], {"check"}),
        (["deploy", "--ki"], set()),
        (["deploy", "--kw"], {"--kwarg"}),
        (["call", "0x12", "add", "--va"], {"--value"}),
        (["images", "b"], {"build"}),
        (["--json", "tx", "--l"], {"--last"}),
        (["completion", "z"], {"zsh"}),
    ],
)


@TYPED
def test_commands_and_flags_are_completed(words: list[str], found: set[str]) -> None:
    text = script(make_parser(), "bash") + ASK
    ran = subprocess.run(
        ["bash", "-c", text, "bash", "genvm-orchestrator", *words], capture_output=True, text=True, check=True
    )
    assert set(ran.stdout.split()) == found


def test_zsh_reads_the_same() -> None:
    assert script(make_parser(), "zsh").endswith(script(make_parser(), "bash"))


@TYPED
def test_fish_completes_the_same(words: list[str], found: set[str], tmp_path: Path) -> None:
    """In an empty folder: it offers files as well."""
    asked = f'{script(make_parser(), "fish")}complete --do-complete "genvm-orchestrator {" ".join(words)}"'
    ran = subprocess.run(
        [unpacked("fish"), "--no-config", "--command", asked],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
    )
    assert (set(ran.stdout.split()), ran.stderr) == (found, "")


def test_the_command_knows_each_shell() -> None:
    assert [make_parser().parse_args(["completion", shell]).shell for shell in SHELLS] == list(SHELLS)

"""The completion script, asked by the shell that it is for."""

from __future__ import annotations

import shutil
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
        (["serve", "--runtime", "k"], {"kubernetes"}),
        (["config", "show", "--port", "1", "--runtime", ""], {"docker", "kubernetes", "process"}),
        (["test", "--runtime", "docker", "--rec"], {"--record"}),
        (["token", "new", "--scope", ""], {"read", "node", "operator"}),
        (["serve", "--config", ""], set()),
        (["serve", "--config", "--runt"], set()),
        (["ps", "--json", "--al"], {"--all"}),
    ],
)


@TYPED
def test_commands_and_flags_are_completed(words: list[str], found: set[str]) -> None:
    text = script(make_parser(), "bash") + ASK
    ran = subprocess.run(
        ["bash", "-c", text, "bash", "genvm-orchestrator", *words], capture_output=True, text=True, check=True
    )
    assert set(ran.stdout.split()) == found


@pytest.mark.parametrize("words", [["="], ["=", "p"]], ids=" ".join)
def test_bash_takes_an_equals_sign_for_a_word(words: list[str]) -> None:
    typed = ["bash", "genvm-orchestrator", "serve", "--runtime", *words]
    ran = subprocess.run(
        ["bash", "-c", script(make_parser(), "bash") + ASK, *typed],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "process" in ran.stdout.split()


def completed_by_fish(typed: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """What it offers behind the program's name and what is typed, in this folder."""
    asked = f'{script(make_parser(), "fish")}complete --do-complete "genvm-orchestrator {typed}"'
    return subprocess.run(
        [unpacked("fish"), "--no-config", "--command", asked],
        capture_output=True,
        text=True,
        check=True,
        cwd=folder,
        env={"HOME": str(folder), "PATH": "/usr/bin:/bin"},
    )


def test_where_a_file_may_stand_files_are_offered_and_no_flags(tmp_path: Path) -> None:
    (tmp_path / "genvm.yaml").touch()
    ran = completed_by_fish("serve --config ", tmp_path)
    assert ran.stdout.split() == ["genvm.yaml"]


IN_ZSH = """
words=("$@") CURRENT=$# COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
compgen -o default -F _genvm_orchestrator -- "${words[CURRENT]}"
"""
"""As its own `_bash_complete` asks."""


@TYPED
def test_zsh_completes_the_same(words: list[str], found: set[str], tmp_path: Path) -> None:
    """In an empty folder: it offers files as well."""
    assert completed_by_zsh(words, tmp_path) == found


def test_zsh_takes_an_equals_sign_for_a_part_of_the_word(tmp_path: Path) -> None:
    assert completed_by_zsh(["serve", "--runtime=p"], tmp_path) == {"--runtime=process"}


def completed_by_zsh(words: list[str], folder: Path) -> set[str]:
    """What it offers for the last of `words`, in this folder."""
    zsh = shutil.which("zsh")
    assert zsh is not None, "zsh is missing: install it"
    asked = script(make_parser(), "zsh") + IN_ZSH
    ran = subprocess.run(
        [zsh, "-f", "-c", asked, "zsh", "genvm-orchestrator", *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={"HOME": str(folder), "PATH": "/usr/bin:/bin"},
    )
    assert ran.stderr == ""
    # Of what the function answers its line editor takes what begins as what is typed.
    return {word for word in ran.stdout.split() if word.startswith(words[-1])}


@TYPED
def test_fish_completes_the_same(words: list[str], found: set[str], tmp_path: Path) -> None:
    """In an empty folder: it offers files as well."""
    ran = completed_by_fish(" ".join(words), tmp_path)
    assert (set(ran.stdout.split()), ran.stderr) == (found, "")


def test_the_command_knows_each_shell() -> None:
    assert [make_parser().parse_args(["completion", shell]).shell for shell in SHELLS] == list(SHELLS)

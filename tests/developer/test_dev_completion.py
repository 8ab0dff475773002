"""The completion script, asked by the shell that it is for."""

from __future__ import annotations

import subprocess

import pytest

from orchestrator.__main__ import make_parser
from orchestrator.completion import script

ASK = """
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_genvm_orchestrator
echo "${COMPREPLY[@]}"
"""


@pytest.mark.parametrize(
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
def test_commands_and_flags_are_completed(words: list[str], found: set[str]) -> None:
    text = script(make_parser(), "bash") + ASK
    ran = subprocess.run(
        ["bash", "-c", text, "bash", "genvm-orchestrator", *words], capture_output=True, text=True, check=True
    )
    assert set(ran.stdout.split()) == found


def test_zsh_reads_the_same() -> None:
    assert script(make_parser(), "zsh").endswith(script(make_parser(), "bash"))

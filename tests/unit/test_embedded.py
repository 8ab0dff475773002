"""The compilation of the process runtime's interpreter: what an operator is told when there is none."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from orchestrator.embedded import prepared_executor
from orchestrator.runtime.port import EngineRefused

ENDINGS = {
    "kill -KILL $$": "killed by signal 9",
    "echo no space left >&2; exit 1": "no space left",
    "exit 3": "ended with 3 and said nothing",
}


@pytest.mark.parametrize("ending", ENDINGS)
async def test_why_there_is_no_compiled_interpreter_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    compiler = tmp_path / "python"
    compiler.write_text(f"#!/bin/sh\n{ending}\n")
    compiler.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(compiler))
    with pytest.raises(EngineRefused, match=ENDINGS[ending]):
        await prepared_executor(tmp_path)

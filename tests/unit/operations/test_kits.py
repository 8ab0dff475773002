"""What goes with each runtime is found by its name in the settings, and nowhere else."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from orchestrator.__main__ import make_parser
from orchestrator.kits import KITS, kit_of
from orchestrator.kits.kit import Found
from orchestrator.runtime.process import ProcessRuntime
from orchestrator.runtime_name import RuntimeName
from orchestrator.settings import Settings


def process_settings(state_dir: Path) -> Settings:
    return Settings(runtime=RuntimeName.PROCESS, state_dir=state_dir)


def test_each_runtime_of_the_settings_has_a_kit() -> None:
    assert set(KITS) == set(RuntimeName)


@pytest.mark.parametrize("command", ["serve", "doctor"])
def test_the_command_line_knows_the_same_runtimes(command: str) -> None:
    for name in RuntimeName:
        assert make_parser().parse_args([command, "--runtime", name.value]).runtime == name
    with pytest.raises(SystemExit):
        make_parser().parse_args([command, "--runtime", "nobody-s"])


async def test_what_is_surveyed_is_what_a_sweep_removes(tmp_path: Path) -> None:
    """`gc` shows the one and does the other."""
    settings = process_settings(tmp_path)
    (tmp_path / "instances" / "run-1").mkdir(parents=True)
    assert await asyncio.to_thread(kit_of(settings).survey, settings, "m") == [
        Found("run-1", None, None, True)
    ]
    runtime = kit_of(settings).open_to_sweep(settings, "m")
    assert isinstance(runtime, ProcessRuntime)
    assert await runtime.sweep(frozenset()) == ["run-1"]
    await runtime.aclose()
    assert await asyncio.to_thread(kit_of(settings).survey, settings, "m") == []


def test_doctor_says_that_processes_do_not_isolate(tmp_path: Path) -> None:
    settings = process_settings(tmp_path)
    assert [(one.name, one.level) for one in kit_of(settings).check(settings)] == [("runtime", "warn")]

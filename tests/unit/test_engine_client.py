"""A Docker client configuration that the SDK stumbles over is one line, at start and in every command."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
from docker.errors import DockerException

from orchestrator.engine_client import engine_client
from orchestrator.imaging.engine import ImageEngine
from orchestrator.imaging.failures import EngineAbsent
from orchestrator.store.journal import open_journal
from orchestrator.store.sqlite import sqlite_url

SECRET = "c2VjcmV0OnNlY3JldA"
BROKEN = {
    "a list": "[1, 2]",
    "a text": '"x"',
    "null": "null",
    "auths a list": '{"auths": [1]}',
    "auths of another shape": f'{{"auths": {{"registry.example": "{SECRET}"}}}}',
    "an auth that is none": f'{{"auths": {{"registry.example": {{"auth": "{SECRET[:8]}"}}}}}}',
    "proxies a number": '{"proxies": 5}',
    "headers a number": '{"HttpHeaders": 5}',
}
COMMANDS = (("serve", "--port", "0"), ("images", "build", "base"), ("gc", "--dry-run"), ("doctor",))


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's Docker configuration; an engine answers nowhere."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no.sock")
    return tmp_path / "config.json"


@pytest.mark.parametrize("case", BROKEN)
def test_a_configuration_of_another_shape_is_one_line_without_what_it_says(config: Path, case: str) -> None:
    config.write_text(BROKEN[case])
    with pytest.raises(DockerException) as refused:
        engine_client(None)
    text = str(refused.value)
    assert "\n" not in text
    assert SECRET not in text
    with pytest.raises(EngineAbsent):
        ImageEngine()


@pytest.mark.parametrize(
    "host", ["nonsense", "ftp://x", "tcp://127.0.0.1:x", "http://[::", "tcp://", "ssh://x"]
)
def test_an_address_that_is_none_is_one_line(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("DOCKER_HOST", host)
    with pytest.raises(DockerException) as refused:
        engine_client(None)
    assert "\n" not in str(refused.value)


async def make_journal(state_dir: Path) -> None:
    """What `gc` wants to see before it looks at the engine."""
    await asyncio.to_thread(state_dir.mkdir)
    await asyncio.to_thread((state_dir / "manager-id").write_text, "an-id")
    await (await open_journal(sqlite_url(state_dir / "journal.sqlite"), "an-id")).aclose()


@pytest.mark.parametrize("case", ["a list", "auths of another shape"])
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_command_has_a_traceback(
    config: Path, tmp_path: Path, command: tuple[str, ...], case: str
) -> None:
    config.write_text(BROKEN[case])
    asyncio.run(make_journal(tmp_path / "state"))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GENVM_")}
    environment |= {"GENVM_STATE_DIR": str(tmp_path / "state"), "GENVM_LOG_FORMAT": "text"}
    ended = subprocess.run(
        [sys.executable, "-m", "orchestrator", *command],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1, ended
    assert "Traceback" not in ended.stdout + ended.stderr
    assert "config.json" in ended.stdout + ended.stderr

"""`doctor` against the real engine, and against what is wrong with one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import docker
import pytest

from tests.integration.operations.commands import Ran, run

MANIFEST = "executor_versions: {v0.2.7: {available_after: 2024-01-01T00:00:00Z, image: IMAGE}}"


@pytest.fixture(autouse=True)
def docker_runtime(monkeypatch: pytest.MonkeyPatch, process_runtime: None) -> None:
    monkeypatch.setenv("GENVM_RUNTIME", "docker")
    monkeypatch.setenv("GENVM_PERMITS", "2")
    monkeypatch.setenv("GENVM_INSTANCE_MEMORY_BYTES", str(128 * 1024**2))


def manifest_of(folder: Path, image: str) -> str:
    file = folder / "manifest.yaml"
    file.write_text(MANIFEST.replace("IMAGE", image))
    return str(file)


def levels(ran: Ran) -> dict[str, str]:
    return {check["name"]: check["level"] for check in json.loads(ran.out)["checks"]}


def test_on_a_machine_that_runs_contracts_nothing_fails(
    engine: docker.APIClient, base_image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENVM_MANIFEST", manifest_of(tmp_path, base_image))
    ran = run("doctor", "--json", "--state-dir", str(tmp_path / "state"))
    assert (ran.code, json.loads(ran.out)["ok"]) == (0, True)
    assert {
        "memory_limit",
        "pids_limit",
        "cpu_limit",
        "seccomp",
        "privileges",
        "network",
        "browser_sandbox",
        "egress_filter",
    } <= levels(ran).keys()
    assert "fail" not in levels(ran).values()
    left = engine.containers(all=True, filters={"label": "io.genvm.orchestrator.role=doctor"})
    assert left == []
    assert not (tmp_path / "state").exists()


def test_a_missing_image_fails_with_its_name_and_what_to_do(
    engine: docker.APIClient, base_image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENVM_MANIFEST", manifest_of(tmp_path, "genvm-absent:never"))
    monkeypatch.setenv("GENVM_VOID_IMAGE", "genvm-absent:never")
    ran = run("doctor", "--state-dir", str(tmp_path / "state"))
    assert ran.code == 1
    assert "missing: genvm-absent:never" in ran.out
    assert "make images" in ran.out


def test_an_engine_that_is_away_fails_and_the_other_checks_are_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENVM_DOCKER_URL", "tcp://127.0.0.1:9")
    ran = run("doctor", "--json", "--state-dir", str(tmp_path))
    assert ran.code == 1
    found = levels(ran)
    assert found["engine"] == "fail"
    assert {"state_dir", "disk", "memory", "clock", "journal"} <= found.keys()


def test_a_journal_that_is_none_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENVM_RUNTIME", "process")
    (tmp_path / "manager-id").write_text("0123456789ab")
    (tmp_path / "journal.sqlite").write_bytes(b"not a database at all" * 100)
    ran = run("doctor", "--json", "--state-dir", str(tmp_path))
    assert (ran.code, levels(ran)["journal"]) == (1, "fail")


def test_the_process_runtime_is_warned_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = run("doctor", "--json", "--runtime", "process", "--state-dir", str(tmp_path))
    assert levels(ran)["runtime"] == "warn"
    assert "engine" not in levels(ran)


def test_the_command_s_own_exit_code_is_the_check_s(tmp_path: Path) -> None:
    """A `doctor` that exits with 0 in spite of failed checks helps nobody."""
    where = tmp_path / "file"
    where.touch()
    words = [
        sys.executable,
        "-m",
        "orchestrator",
        "doctor",
        "--runtime",
        "process",
        "--state-dir",
        str(where),
    ]
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "is not a directory" in ended.stdout

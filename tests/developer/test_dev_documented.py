"""The documentation's commands, run as a reader would type them, beside a manager without an engine.

What a command names on a reader's machine (addresses, folders, a run's number) is this test's own; everything
else is to the letter. What is not run here is in `ELSEWHERE`, with what runs it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import pytest

from orchestrator.embedded import METER_VARIABLE, compiled_directory
from tests.developer.conftest import found_by_executors
from tests.e2e.manager_process import ManagerProcess, close, start_manager
from tests.unit.reference.documented import BLOCK, PROGRAM, ROOT, commands, pages

ELSEWHERE = {
    "demo": "with containers: tests/e2e/test_quick_start.py",
    "docker": "tests/e2e/test_compose*.py, test_studio_stack.py",
    "docker-compose": "tests/e2e/test_compose.py",
    "engine-filter": "it goes on: tests/e2e/test_compose.py",
    "git": "it asks another host: tests/unit/shipping/test_advisories.py has a copy",
    "helm": "tests/helm, tests/e2e/test_chart_hooks.py",
    "images build": "tests/integration/test_images.py, tests/unit/imaging/test_installed_wheel.py",
    "images list": "of an engine: tests/e2e/test_quick_start.py",
    "images release": "tests/e2e/test_official_release.py",
    "llama-server-vulkan": "a real model is not fetched in tests",
    "make": "the suite itself, and what it is called by",
    "module": "tests/integration/modules",
    "pg_dump": "PostgreSQL's own",
    "pg_restore": "PostgreSQL's own",
    "pip": "tests/unit/imaging/test_installed_wheel.py",
    "python3": "a real model is not fetched in tests",
    "pipx": "tests/unit/imaging/test_installed_wheel.py",
    "reap": "in a cluster: tests/e2e/test_chart_hooks.py",
    "serve": "it goes on: the manager of these tests is one",
    "sudo": "another tree's",
    "systemctl": "this machine's services are not the suite's",
}
LINES_ELSEWHERE = {
    f"{PROGRAM} test examples": "tests/developer/test_dev_session.py",
    f"source <({PROGRAM} completion zsh)": "tests/developer/test_dev_completion.py",
    f"{PROGRAM} completion fish | source": "tests/developer/test_dev_completion.py",
    f"{PROGRAM} restore /var/lib/genvm-orchestrator/journal.sqlite.before-1": (
        "after one that was cut short: tests/integration/store/test_restore.py"
    ),
}
ASKS_A_MANAGER = ("deploy", "call", "view", "schema", "ps", "inspect", "logs", "gc")
DEVELOPING = ROOT / "docs" / "developing.md"
"""Its commands are about the files on the page: they are run in a folder with those."""
BROKEN = """# { "Depends": "py-genlayer:test" }

from genlayer import *


class Poll(gl.Contract):
    votes: int
"""


@dataclass(frozen=True, slots=True)
class Line:
    """What a reader types, and the first page that has it."""

    text: str
    page: Path

    def __str__(self) -> str:
        return self.text.replace("…", "...")


def lines() -> list[Line]:
    """Each once: blocks for a shell, and commands of ours in others."""
    found: dict[str, Path] = {}
    for page in pages():
        if page.is_relative_to(ROOT / "docs") or page == ROOT / "README.md":
            for command in commands(page):
                ours = Path(command.words[0]).name == PROGRAM
                if ours or command in set(commands(page, ("sh", "console"))):
                    text = command.line.removeprefix("$ ").partition("   #")[0].strip()
                    if elsewhere(text, command.words) is None:
                        found.setdefault(text, page)
    return [Line(text, page) for text, page in found.items()]


def elsewhere(line: str, words: tuple[str, ...]) -> str | None:
    """What of `ELSEWHERE` or `LINES_ELSEWHERE` a line is, if any."""
    if line in LINES_ELSEWHERE:
        return line
    named = Path(words[0]).name if Path(words[0]).name != PROGRAM else " ".join(words[1:3])
    for name in ELSEWHERE:
        if named == name or named.startswith(f"{name} ") or f"/{name}/" in line:
            return name
    return None


@dataclass(frozen=True, slots=True)
class Desk:
    """Where a reader sits: a manager that has done a run, a contract on the local node, folders."""

    manager: ManagerProcess
    folder: Path
    environment: dict[str, str]
    contract: str
    transaction: str
    run: str

    def line(self, text: str) -> str:
        """The same for this machine."""
        address = self.manager.address.removeprefix("http://")
        names = {
            "127.0.0.1:3999": address,
            "localhost:3999": address,
            "0x" + "0" * 40: self.contract,
            "0x5c34…": self.contract,
            "0x1f0e": self.transaction,
            " 42": f" {self.run}",
            "inspect 1": f"inspect {self.run}",
            "logs 1": f"logs {self.run}",
            "/etc/": f"{self.folder}/etc/",
            "/backups/": f"{self.folder}/backups/",
        }
        for there, here in names.items():
            text = text.replace(there, here)
        words = text.split()
        if words[0] == PROGRAM and words[1] in ASKS_A_MANAGER and "--manager" not in words:
            text += f" --manager {self.manager.address}"
        if words[0] == "curl" and "--fail" not in words:
            text = text.replace("curl", "curl --fail-with-body --silent --show-error", 1)
        return text

    def shell(self, text: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text],
            cwd=cwd,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )


@pytest.fixture(scope="module")
def desk(compiled: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("desk")
    for name in ("etc/genvm", "etc/prometheus", "etc/bash_completion.d", "etc/fish/completions", "backups"):
        (folder / name).mkdir(parents=True)
    (folder / "etc" / "genvm" / "manager.yaml").write_text("permits: 4\n")
    write_page(folder / "written")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GENVM_")}
    environment |= found_by_executors(compiled) | {
        "GENVM_RUNTIME": "process",
        "HOME": str(folder),
        "XDG_STATE_HOME": str(folder / "local"),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    # Short, for sockets.
    with tempfile.TemporaryDirectory(prefix="genvm-desk-") as place:
        # A manager looks for the compiled interpreter in its own state directory.
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(METER_VARIABLE, "1")
            there = compiled_directory(Path(place) / "state")
        there.parent.mkdir(mode=0o700)
        there.symlink_to(compiled)
        manager = start_manager(Path(place), runtime="process", meter_fuel=1, refetch_grace=3600)
        try:
            environment["GENVM_STATE_DIR"] = str(manager.state_dir)
            yield _used(Desk(manager, folder, environment, "", "", ""))
        finally:
            assert close(manager) == 0


def _used(desk: Desk) -> Desk:
    """With a contract that was deployed, and the run that did it."""
    deployed = desk.shell(desk.line(f"{PROGRAM} deploy examples/counter.py 5 --json"))
    assert deployed.returncode == 0, deployed.stderr
    receipt = json.loads(deployed.stdout)
    runs = json.loads(desk.shell(desk.line(f"{PROGRAM} ps --all --json")).stdout)
    return replace(
        desk, contract=receipt["address"], transaction=receipt["transaction"], run=str(runs[0]["id"])
    )


def write_page(folder: Path) -> None:
    """The files that docs/developing.md has a reader write."""
    folder.mkdir()
    contract, tests = (
        block["text"]
        for block in islice(
            (one for one in BLOCK.finditer(DEVELOPING.read_text("utf-8")) if one["kind"] == "python"), 2
        )
    )
    (folder / "counter.py").write_text(contract)
    (folder / "test_counter.py").write_text(tests)
    (folder / "broken.py").write_text(BROKEN)


@pytest.mark.parametrize("line", lines(), ids=str)
def test_it_does_what_it_should(desk: Desk, line: Line) -> None:
    text = desk.line(line.text)
    backup = next((Path(word) for word in text.split() if "/backups/" in word), None)
    if backup is not None:
        backup.unlink(missing_ok=True)
    if backup is not None and " restore " in text:
        assert desk.shell(f"{PROGRAM} backup {backup}").returncode == 0
        # The manager's own is in use.
        text = f"GENVM_STATE_DIR={desk.folder / 'restored' / backup.stem} {text}"
    ended = desk.shell(text, desk.folder / "written" if line.page == DEVELOPING else ROOT)
    assert ended.returncode == ("broken.py" in text), f"{text}\n{ended.stdout}{ended.stderr}"
    if line.page == DEVELOPING and " check " in text:
        assert ended.stdout in DEVELOPING.read_text("utf-8")


def test_what_runs_elsewhere_is_still_on_a_page() -> None:
    named = {
        elsewhere(command.line.removeprefix("$ ").partition("   #")[0].strip(), command.words)
        for page in pages()
        for command in commands(page)
    }
    assert named >= {*ELSEWHERE, *LINES_ELSEWHERE}

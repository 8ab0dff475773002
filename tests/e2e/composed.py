"""Compose files of the project, started for real: the command, a project's own names, its end."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
import docker.errors
import pytest

from tests.e2e.manager_process import MANAGED_BY

ROOT = Path(__file__).resolve().parents[2]
MANAGER_IMAGE = "genvm-manager:latest"
PATIENCE = 600
"""Seconds for a command, however busy the machine is."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """One project: its own name, port and directories. `variables`: for its files, beside the usual ones."""

    files: tuple[Path, ...]
    project: str
    port: int
    state_dir: Path
    sockets: Path
    variables: Mapping[str, str] = field(default_factory=dict)

    def compose(self, *args: str) -> str:
        """Run the compose command. Fails the test with what it said."""
        environment = os.environ | {
            "GENVM_PORT": str(self.port),
            "GENVM_STATE_DIR": str(self.state_dir),
            "GENVM_NODE_SOCKETS": str(self.sockets),
            "GENVM_MANAGER_IMAGE": MANAGER_IMAGE,
            **self.variables,
        }
        files = [flag for path in self.files for flag in ("--file", str(path))]
        command = [*compose_command(), *files, "--project-name", self.project, *args]
        ended = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        assert ended.returncode == 0, f"{command}: {ended.stdout}{ended.stderr}"
        return ended.stdout

    def contract(self, *args: str) -> dict[str, Any]:
        """Run a developer's command on the host; its sockets are where the manager sees them."""
        ended = subprocess.run(
            self.command_line(*args),
            env=self.contract_environment(),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert ended.stdout, ended.stderr
        outcome = json.loads(ended.stdout)
        assert isinstance(outcome, dict)
        return outcome

    def command_line(self, command: str, *args: str) -> list[str]:
        manager = ["--manager", f"http://127.0.0.1:{self.port}"]
        state = ["--state", str(self.sockets / "chain.sqlite"), "--json"]
        return [sys.executable, "-m", "orchestrator", command, *manager, *state, *args]

    def contract_environment(self) -> dict[str, str]:
        return os.environ | {"TMPDIR": str(self.sockets)}

    def container(self, service: str = "manager") -> str:
        return self.compose("ps", "--quiet", service).strip()

    def ask(self, path: str, *, method: str | None = None, body: Any = None) -> Any:
        """What the API answers at the published port. Raises OSError, also for a status that is none."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, headers, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def permits_in_use(self) -> int:
        permits = self.ask("/status")["permits"]
        return int(permits["max"] - permits["current"])

    def instances(self, engine: docker.APIClient) -> list[str]:
        label = f"{MANAGED_BY}={(self.state_dir / 'manager-id').read_text('ascii')}"
        return [container["Id"] for container in engine.containers(all=True, filters={"label": label})]


def compose_command() -> tuple[str, ...]:
    """The plugin where there is one, else docker-compose 1.29."""
    if shutil.which("docker"):
        plugin = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
        if plugin.returncode == 0:
            return ("docker", "compose")
    if shutil.which("docker-compose"):
        return ("docker-compose",)
    pytest.fail("neither `docker compose` nor docker-compose is installed", pytrace=False)


def free_port() -> int:
    """One that the kernel gives to nobody's outgoing connection while the project is down."""
    first_outgoing = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text("ascii").split()[0])
    while True:
        port = secrets.choice(range(first_outgoing // 2, first_outgoing))
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


@contextmanager
def deployment(
    engine: docker.APIClient, *files: Path, variables: Mapping[str, str] | None = None
) -> Iterator[Deployment]:
    """A project that leaves nothing. Nothing of it is up yet."""
    try:
        engine.inspect_image(MANAGER_IMAGE)  # type: ignore[no-untyped-call]
    except docker.errors.ImageNotFound:
        pytest.fail(f"image {MANAGER_IMAGE} is missing; `make images` builds it", pytrace=False)
    state_dir, sockets = (Path(tempfile.mkdtemp(prefix="genvm-e2e-")) for _ in range(2))
    name = f"genvm-e2e-{secrets.token_hex(4)}"
    made = Deployment(files, name, free_port(), state_dir, sockets, variables or {})
    try:
        yield made
    finally:
        made.compose("down", "--volumes")
        for path in (state_dir, sockets):
            shutil.rmtree(path)
    label = {"label": f"com.docker.compose.project={made.project}"}
    assert engine.containers(all=True, filters=label) == []
    assert engine.networks(filters=label) == []


def health(engine: docker.APIClient, container: str) -> str:
    state = engine.inspect_container(container)["State"]
    assert state["Running"], engine.logs(container)
    return str(state["Health"]["Status"])

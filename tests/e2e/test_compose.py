"""The manager in a container of its own, from compose.yaml, beside the containers that it starts."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import docker.errors
import pytest

from tests.e2e.manager_process import MANAGED_BY
from tests.until import wait_until

ROOT = Path(__file__).resolve().parents[2]
FILES = (ROOT / "compose.yaml", Path(__file__).with_name("soon_healthy.yaml"))
COUNTER = ROOT / "examples" / "counter.py"
MANAGER_IMAGE = "genvm-manager:latest"
GRACE = 30
"""Seconds: `stop_grace_period` in compose.yaml, after which the manager would be killed."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """One project: its own name, port and directories."""

    command: tuple[str, ...]
    project: str
    port: int
    state_dir: Path
    sockets: Path

    def compose(self, *args: str) -> str:
        """Run the compose command. Fails the test with what it said."""
        environment = os.environ | {
            "GENVM_PORT": str(self.port),
            "GENVM_STATE_DIR": str(self.state_dir),
            "GENVM_NODE_SOCKETS": str(self.sockets),
            "GENVM_MANAGER_IMAGE": MANAGER_IMAGE,
        }
        files = [flag for path in FILES for flag in ("--file", str(path))]
        command = [*self.command, *files, "--project-name", self.project, *args]
        ended = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False
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
            timeout=120,
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

    def container(self) -> str:
        return self.compose("ps", "--quiet", "manager").strip()

    def permits_in_use(self) -> int:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/status", timeout=30) as answer:
            permits = json.load(answer)["permits"]
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


@pytest.fixture(scope="module")
def project(engine: docker.APIClient, executor_image: str) -> Iterator[Deployment]:
    """A project that leaves nothing."""
    try:
        engine.inspect_image(MANAGER_IMAGE)  # type: ignore[no-untyped-call]
    except docker.errors.ImageNotFound:
        pytest.fail(f"image {MANAGER_IMAGE} is missing; `make images` builds it", pytrace=False)
    state_dir, sockets = (Path(tempfile.mkdtemp(prefix="genvm-e2e-")) for _ in range(2))
    name = f"genvm-e2e-{secrets.token_hex(4)}"
    made = Deployment(compose_command(), name, free_port(), state_dir, sockets)
    try:
        yield made
    finally:
        made.compose("down", "--volumes")
        for path in (state_dir, sockets):
            shutil.rmtree(path)
    label = {"label": f"com.docker.compose.project={made.project}"}
    assert engine.containers(all=True, filters=label) == []
    assert engine.networks(filters=label) == []


@pytest.fixture
def deployment(engine: docker.APIClient, project: Deployment) -> Deployment:
    """The project, up and healthy."""
    project.compose("up", "--detach")
    container = project.container()
    wait_until(lambda: health(engine, container) == "healthy")
    return project


def health(engine: docker.APIClient, container: str) -> str:
    state = engine.inspect_container(container)["State"]
    assert state["Running"], engine.logs(container)
    return str(state["Health"]["Status"])


def test_the_profile_with_a_database_loads(project: Deployment) -> None:
    """Its image is pulled, so it is not started here."""
    loaded = project.compose("--profile", "postgresql", "config")
    assert "listen_addresses=" in loaded


def test_the_example_with_two_managers_loads() -> None:
    """Its database and its proxy are pulled; what they do is tried in tests/integration/several."""
    command = [*compose_command(), "--file", str(ROOT / "examples" / "several" / "compose.yaml"), "config"]
    environment = os.environ | {"GENVM_CLUSTER_SECRET": "/etc/genvm/secret"}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr
    for service in ("one", "two"):
        assert f"GENVM_CLUSTER_ADDRESS: http://{service}:3999" in ended.stdout


def test_contracts_run_beside_a_manager_in_a_container(deployment: Deployment) -> None:
    deployed = deployment.contract("deploy", str(COUNTER), "5")
    assert deployed["kind"] == "Return", deployed
    counter = deployed["address"]
    added = deployment.contract("call", counter, "add", "3")
    assert (added["kind"], added["data"]) == ("Return", 8)
    refused = deployment.contract("call", counter, "add", "--", "-1")
    assert (refused["kind"], refused["data"]) == ("UserError", "a counter never goes down")
    assert deployment.contract("view", counter, "get")["data"] == 8
    wait_until(lambda: deployment.permits_in_use() == 0)


ATTEMPTS = """
import json, sys
import docker
from docker.errors import APIError

client = docker.APIClient(sys.argv[1], version="auto")

def status(work, *args, **options):
    try:
        work(*args, **options)
    except APIError as error:
        return error.status_code
    return 200

host = {"Privileged": True, "Binds": ["/:/host"], "NetworkMode": "host", "PidMode": "host"}
create = client.create_container_from_config
print(json.dumps({
    "privileged": status(create, {"Image": "genvm-base", "HostConfig": host}, "genvm-x"),
    "plain": status(create, {"Image": "genvm-base"}, "genvm-x"),
    "all containers": status(client.containers, all=True),
    "the filter itself": status(client.inspect_container, sys.argv[2]),
    "a program in the manager": status(client.exec_create, sys.argv[3], "id"),
    "pull": status(client.pull, "alpine", tag="latest"),
    "ping": status(client.ping),
}))
"""


def inside_manager(engine: docker.APIClient, deployment: Deployment, command: list[str]) -> str:
    """What a command says that whoever took the manager over could run as well."""
    started = engine.exec_create(deployment.container(), command)
    return str(engine.exec_start(started["Id"]).decode())


def test_whoever_takes_the_manager_over_does_not_have_the_engine(
    engine: docker.APIClient, deployment: Deployment
) -> None:
    mounted = engine.inspect_container(deployment.container())["Mounts"]
    assert "/var/run/docker.sock" not in [one["Source"] for one in mounted]
    filters = deployment.compose("ps", "--quiet", "engine").strip()
    socket = "unix:///run/genvm-engine/engine.sock"
    program = ["python3", "-c", ATTEMPTS]
    said = inside_manager(engine, deployment, [*program, socket, filters, deployment.container()])
    assert json.loads(said.splitlines()[-1]) == {
        "privileged": 403,
        "plain": 403,
        "all containers": 403,
        "the filter itself": 404,
        "a program in the manager": 403,
        "pull": 403,
        "ping": 200,
    }


def test_the_doctor_finds_everything_through_the_filter(
    engine: docker.APIClient, deployment: Deployment
) -> None:
    """Limits, profiles, the way to the manager, the packet filter, each tried with a container of its own."""
    said = inside_manager(engine, deployment, ["genvm-orchestrator", "doctor", "--json"])
    levels = {one["name"]: one["level"] for one in json.loads(said[said.index("{") :])["checks"]}
    tried = (
        "memory_limit",
        "pids_limit",
        "seccomp",
        "privileges",
        "network",
        "control_socket",
        "host_gateway",
    )
    assert {name: levels[name] for name in tried} == dict.fromkeys(tried, "ok"), said
    assert "no manager" not in said, said


def test_stopping_the_project_ends_its_runs_within_the_grace_period(
    engine: docker.APIClient, deployment: Deployment
) -> None:
    counter = deployment.contract("deploy", str(COUNTER))["address"]
    wait_until(lambda: deployment.permits_in_use() == 0)
    spinning = subprocess.Popen(
        deployment.command_line("call", counter, "spin"),
        env=deployment.contract_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        wait_until(lambda: deployment.permits_in_use() > 0)
        container = deployment.container()
        begun = time.monotonic()
        deployment.compose("stop")
        took = time.monotonic() - begun
        state = engine.inspect_container(container)["State"]
        assert (state["ExitCode"], state["OOMKilled"], took < GRACE) == (0, False, True)
        assert deployment.instances(engine) == []
        spinning.communicate(timeout=60)
        assert spinning.returncode != 0
    finally:
        if spinning.poll() is None:
            spinning.kill()
            spinning.communicate()

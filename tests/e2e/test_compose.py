"""The manager in a container of its own, from compose.yaml, beside the containers that it starts."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from tests.e2e import composed
from tests.e2e.composed import ROOT, Deployment, health
from tests.unit.reference.documented import commands
from tests.until import wait_until

FILES = (ROOT / "compose.yaml", Path(__file__).with_name("soon_healthy.yaml"))
COUNTER = ROOT / "examples" / "counter.py"
GRACE = 30
"""Seconds: `stop_grace_period` in compose.yaml, after which the manager would be killed."""


@pytest.fixture(scope="module")
def project(engine: docker.APIClient, executor_image: str) -> Iterator[Deployment]:
    with composed.deployment(engine, *FILES) as made:
        yield made


@pytest.fixture
def deployment(engine: docker.APIClient, project: Deployment) -> Deployment:
    """The project, up and healthy."""
    project.compose("up", "--detach")
    container = project.container()
    wait_until(lambda: health(engine, container) == "healthy")
    return project


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


def test_the_journal_is_backed_up_and_restored_as_the_page_says(
    engine: docker.APIClient, deployment: Deployment
) -> None:
    """Nothing but the backup's file name is this test's own."""
    page = ROOT / "docs" / "backup.md"
    lines = [command.words[2:] for command in commands(page) if command.words[:2] == ("docker", "compose")]
    assert [line[0] for line in lines] == ["exec", "stop", "run", "start"]
    assert deployment.contract("deploy", str(COUNTER), "5")["kind"] == "Return"
    wait_until(lambda: deployment.permits_in_use() == 0)
    before = ended_runs(deployment)
    assert before
    usual = "/var/lib/genvm-orchestrator"
    said = [
        deployment.compose(*(word.replace(usual, str(deployment.state_dir)) for word in line))
        for line in lines
    ]
    (file,) = deployment.state_dir.glob("genvm-*.sqlite")
    assert f"{file}: {file.stat().st_size} bytes" in said[0]
    assert f"kept as {deployment.state_dir / 'journal.sqlite.before-1'}" in said[2]
    container = deployment.container()
    wait_until(lambda: health(engine, container) == "healthy")
    assert ended_runs(deployment) == before


def ended_runs(deployment: Deployment) -> list[tuple[int, str, str]]:
    listed = deployment.ask("/executions")["executions"]
    return [(one["id"], one["state"], one["finished_at"]) for one in listed]


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

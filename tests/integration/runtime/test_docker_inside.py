"""What an instance sees of the world from inside its container (every restriction of options.py)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from genvm_wire.instance_messages import from_instance
from orchestrator.runtime.docker import DockerRuntime
from tests.integration.runtime.runtime_kit import MIB, MakeSpec, job_to

DEVICES = {
    "core",
    "fd",
    "full",
    "mqueue",
    "null",
    "ptmx",
    "pts",
    "random",
    "shm",
    "stderr",
    "stdin",
    "stdout",
}
DEVICES |= {"tty", "urandom", "zero"}


@pytest.fixture
async def inside(docker_runtime: DockerRuntime, spec: MakeSpec) -> AsyncIterator[dict[str, Any]]:
    instance = await docker_runtime.start(spec())
    await instance.control.send(job_to("report"))
    said: Any = await instance.control.receive(from_instance)
    await instance.destroy()
    yield json.loads(said.records[0]["report"])


async def test_an_instance_is_shut_in(inside: dict[str, Any], subtests: pytest.Subtests) -> None:
    """One container, many looks: starting one for each would cost a minute and show the same."""
    status, failures, limits, mounts = (inside[key] for key in ("status", "failures", "limits", "mounts"))
    expected = {
        "there is no interface but lo": inside["interfaces"] == ["lo"],
        "the user is not root": (inside["uid"], inside["gid"], inside["groups"])
        in [(64321, 64321, []), (64321, 64321, [64321])],
        "there are no effective capabilities": int(status["CapEff"], 16) == 0,
        "there are no capabilities to gain": int(status["CapBnd"], 16) == 0,
        "privileges cannot be gained": status["NoNewPrivs"] == "1",
        "a seccomp filter is on": status["Seccomp"] == "2",
        "open files are limited": "Max open files            1024                 1024" in limits,
        "no core files": "Max core file size        0                    0" in limits,
        "the root is read-only": "ro" in mounts["/"],
        "the control directory is read-only": "ro" in mounts["/run/genvm"],
        "/tmp runs nothing": {"noexec", "nosuid", "nodev"} <= set(mounts["/tmp"]),
        "/dev/shm runs nothing": {"noexec", "nosuid", "nodev"} <= set(mounts["/dev/shm"]),
        "no engine socket is there": set(inside["sockets"]) <= {"/run/genvm/control.sock"},
        "no devices but the harmless": set(inside["devices"]) <= DEVICES,
        "an init is process 1": inside["pid1"] in ("docker-init", "tini"),
        "the host name is generic": inside["host_name"] == "genvm",
        "it goes first when memory runs out": inside["oom_score_adj"] == 500,
        "no foreign environment": not [
            n for n in inside["environment"] if n.startswith(("AWS", "DOCKER", "KUBE"))
        ],
    }
    for what, holds in expected.items():
        with subtests.test(what):
            assert holds, inside
    for attempt, failure in failures.items():
        with subtests.test(attempt):
            assert failure != ""


async def test_memory_over_the_limit_is_reported_as_oom(
    docker_runtime: DockerRuntime, spec: MakeSpec
) -> None:
    instance = await docker_runtime.start(spec(memory_bytes=32 * MIB))
    await instance.control.send(job_to("oom"))
    ended = await instance.wait_exit()
    assert (ended.exit_code, ended.signal, ended.oom_killed) == (None, 9, True)
    await instance.destroy()


async def test_what_it_forked_dies_with_it(docker_runtime: DockerRuntime, spec: MakeSpec) -> None:
    instance = await docker_runtime.start(spec())
    await instance.control.send(job_to("orphan"))
    assert (await instance.wait_exit()).exit_code == 0
    await instance.destroy()

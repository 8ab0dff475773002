"""The seccomp profile of executors, looked at from inside a container (hostile-container 2, 10)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

import genvm_wire
from tests.integration import seccomp_probe

IMAGE = "genvm-executor:latest"
PROFILE = Path(genvm_wire.__file__).with_name("seccomp-executor.json")
PROBE = Path(seccomp_probe.__file__)

WORKS = ("fork", "thread", "subprocess", "passed descriptor", "connect", "compiler")


def run_inside(engine: docker.APIClient, user: str) -> Any:
    container = engine.create_container(
        IMAGE,
        ["-c", PROBE.read_text()],
        entrypoint=["python3"],
        user=user,
        host_config=engine.create_host_config(
            init=True,
            network_mode="none",
            read_only=True,
            cap_drop=["ALL"],
            security_opt=["no-new-privileges", f"seccomp={PROFILE.read_text()}"],
        ),
    )["Id"]
    try:
        engine.start(container)
        status = engine.wait(container)["StatusCode"]
        output = engine.logs(container).decode()
    finally:
        engine.remove_container(container, force=True)
    assert status == 0, output
    return json.loads(output)


@pytest.fixture(scope="module", params=["64321:64321", "0:0"], ids=["user", "root"])
def report(request: pytest.FixtureRequest, engine: docker.APIClient) -> Iterator[Any]:
    yield run_inside(engine, request.param)


def test_the_filter_is_on_and_nothing_can_be_gained(report: Any) -> None:
    assert report["status"] == {"Seccomp": "2", "NoNewPrivs": "1", "CapEff": "0000000000000000"}


@pytest.mark.parametrize("call", sorted(seccomp_probe.CALLS))
def test_a_door_to_the_kernel_is_shut(report: Any, call: str) -> None:
    assert report["calls"][call] == "EPERM"


@pytest.mark.parametrize("attempt", sorted(seccomp_probe.ARGUMENTS))
def test_a_call_that_is_let_through_is_let_through_for_its_purpose_only(report: Any, attempt: str) -> None:
    assert report["arguments"][attempt] == "EPERM"


@pytest.mark.parametrize("call", sorted(seccomp_probe.BORDERS))
def test_what_is_just_inside_the_bounds_reaches_the_kernel(report: Any, call: str) -> None:
    assert report["borders"][call] == seccomp_probe.BORDERS[call][2]


@pytest.mark.parametrize("namespace", sorted(seccomp_probe.NAMESPACES))
def test_no_namespace_can_be_made_by_clone(report: Any, namespace: str) -> None:
    assert report["namespaces"][namespace] == "EPERM"


def test_clone3_looks_unimplemented_so_that_libraries_fall_back(report: Any) -> None:
    assert report["clone3"] == "ENOSYS"


@pytest.mark.parametrize("family", sorted(seccomp_probe.FAMILIES))
def test_no_socket_but_a_unix_stream_can_be_made(report: Any, family: str) -> None:
    assert report["sockets"][family] == "EPERM"


def test_the_32_bit_gate_is_shut(report: Any) -> None:
    assert report["foreign"] is False


@pytest.mark.parametrize("ability", WORKS)
def test_what_an_executor_needs_works(report: Any, ability: str) -> None:
    assert report["works"][ability] is True


def test_everything_that_is_not_named_is_refused() -> None:
    profile = json.loads(PROFILE.read_text())
    allowed = {
        name for rule in profile["syscalls"] if rule["action"] == "SCMP_ACT_ALLOW" for name in rule["names"]
    }
    assert profile["defaultAction"] == "SCMP_ACT_ERRNO"
    assert not allowed & set(seccomp_probe.CALLS)

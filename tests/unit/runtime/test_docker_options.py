"""The body of *create*: what is looked at from inside elsewhere, and what cannot be seen from there."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, cast

import pytest

from orchestrator.runtime.docker import DockerSettings
from orchestrator.runtime.docker.options import create_body, labels, seccomp_profile
from orchestrator.runtime.docker.runtime import DockerRuntime
from orchestrator.runtime.port import EngineRefused, InstanceSpec, Role

SETTINGS = DockerSettings(manager_id="m1", state_dir=Path("/state"))
SPEC = InstanceSpec("one", Role.EXECUTOR, "image:1", "v0.2.12", 7, None, 100, 1.5, 9)


def body(settings: DockerSettings = SETTINGS, spec: InstanceSpec = SPEC) -> dict[str, Any]:
    return create_body(settings, spec, Path("/state/instances/one"), "ff", '{"a":1}')


def host(**changes: Any) -> dict[str, Any]:
    made: dict[str, Any] = body(**changes)["HostConfig"]
    return made


def test_limits_come_from_the_spec() -> None:
    made = host()
    assert (made["Memory"], made["MemorySwap"]) == (100, 100)
    assert made["NanoCpus"] == 1_500_000_000
    assert made["PidsLimit"] == 9


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("NetworkMode", "none"),
        ("ReadonlyRootfs", True),
        ("CapDrop", ["ALL"]),
        ("Privileged", False),
        ("Devices", []),
        ("Init", True),
        ("IpcMode", "private"),
        ("AutoRemove", False),
        ("RestartPolicy", {"Name": "no"}),
        ("SecurityOpt", ["no-new-privileges:true", 'seccomp={"a":1}']),
        ("LogConfig", {"Type": "json-file", "Config": {"max-size": "1m", "max-file": "1"}}),
    ],
)
def test_restriction(key: str, value: object) -> None:
    assert host()[key] == value


def test_the_only_mount_is_the_control_directory_and_it_is_read_only() -> None:
    (mount,) = host()["Mounts"]
    assert (mount["Source"], mount["Target"], mount["ReadOnly"]) == (
        "/state/instances/one",
        "/run/genvm",
        True,
    )
    assert "Binds" not in host()


def test_an_executor_starts_beside_its_control_socket_and_is_told_its_name_alone() -> None:
    """Its profile lets no address through that is as long as an internet one: 16 bytes."""
    assert (body()["WorkingDir"], body()["Env"]) == ("/run/genvm", ["GENVM_CONTROL=control.sock"])
    assert 2 + len("control.sock") + 1 < 16


def test_a_module_is_told_the_whole_path() -> None:
    spec = InstanceSpec("one", Role.LLM, "image:1", "v1", None, None, 100, 1, 9)
    made = body(spec=spec)
    assert made["Env"] == ["GENVM_CONTROL=/run/genvm/control.sock"]
    assert "WorkingDir" not in made


def test_an_executor_of_several_runs_knows_how_many_and_what_has_to_stay_empty() -> None:
    spec = replace(SPEC, reuse=5)
    created = create_body(SETTINGS, spec, Path("/state/instances/one"), "attempt", "{}")
    assert created["Env"] == [
        "GENVM_CONTROL=control.sock",
        "GENVM_REUSE=5",
        "GENVM_SCRATCH=/tmp:/dev/shm",
    ]


def test_a_shared_network_has_no_host_name_of_its_own() -> None:
    shared = DockerSettings(manager_id="m1", state_dir=Path("/state"), network="container:void")
    assert host(settings=shared)["NetworkMode"] == "container:void"
    assert "Hostname" not in body(settings=shared)


@pytest.mark.parametrize("role", [Role.LLM, Role.WEB])
def test_modules_have_a_network_and_know_the_machine_by_a_name(role: Role) -> None:
    spec = InstanceSpec("one", role, "image:1", "v1", None, None, 100, 1, 9)
    made = host(settings=replace(SETTINGS, module_network="world"), spec=spec)
    assert made["NetworkMode"] == "world"
    assert made["ExtraHosts"] == ["host.docker.internal:host-gateway"]


async def test_where_the_engine_knows_no_address_of_the_machine_modules_do_without(tmp_path: Path) -> None:
    spec = replace(SPEC, role=Role.LLM)
    made = create_body(SETTINGS, spec, Path("/x"), "attempt", "{}", host_gateway=False)
    assert "ExtraHosts" not in cast(dict[str, Any], made["HostConfig"])
    runtime = DockerRuntime(replace(SETTINGS, state_dir=tmp_path))
    words = "unable to derive the IP value for host-gateway"
    refusals = [EngineRefused(text) for text in ("no such image", words, words)]
    # Once: what is refused without it is refused for another reason.
    assert [runtime._lacks_gateway(one) for one in refusals] == [False, True, False]
    await runtime.aclose()


def test_an_executor_knows_no_host() -> None:
    assert "ExtraHosts" not in host()


def test_a_module_has_the_memory_file_systems_that_its_spec_asks_for() -> None:
    spec = InstanceSpec("one", Role.WEB, "image:1", "v1", None, None, 100, 1, 9, tmp_bytes=7, shm_bytes=8)
    made = host(spec=spec)
    assert "size=7," in made["Tmpfs"]["/tmp"]
    assert "size=8," in made["Tmpfs"]["/dev/shm"]


def test_shared_memory_is_bounded_in_files_as_well() -> None:
    """The engine's own mount is not, and inodes are kernel memory that a container can use up."""
    assert "nr_inodes=4096" in host()["Tmpfs"]["/dev/shm"]
    assert "ShmSize" not in host()


@pytest.mark.parametrize(("role", "whole"), [(Role.EXECUTOR, True), (Role.LLM, False), (Role.WEB, False)])
def test_an_executor_s_processes_cannot_write_about_themselves(role: Role, whole: bool) -> None:
    spec = InstanceSpec("one", role, "image:1", "v1", None, None, 100, 1, 9)
    assert ("/proc" in host(spec=spec)["ReadonlyPaths"]) is whole


@pytest.mark.parametrize("guarded", [True, False])
def test_an_image_with_a_watchdog_is_its_own_init(guarded: bool) -> None:
    made: Any = create_body(SETTINGS, SPEC, Path("/state/instances/one"), "ff", "{}", guarded=guarded)
    assert made["HostConfig"]["Init"] is not guarded


def test_labels_are_ids_and_times() -> None:
    deadline = datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    spec = InstanceSpec("one", Role.EXECUTOR, "image:1", "v0.2.12", 7, deadline, 100, 1, 9)
    assert labels(SETTINGS, spec, "ff") == {
        "io.genvm.orchestrator.managed-by": "m1",
        "io.genvm.orchestrator.instance": "one",
        "io.genvm.orchestrator.role": "executor",
        "io.genvm.orchestrator.version": "v0.2.12",
        "io.genvm.orchestrator.execution": "7",
        "io.genvm.orchestrator.deadline": datetime(2026, 1, 1, 10, tzinfo=UTC).isoformat(),
        "io.genvm.orchestrator.attempt": "ff",
    }


@pytest.mark.parametrize("role", Role)
def test_every_role_has_a_packaged_seccomp_profile_that_denies_by_default(role: Role) -> None:
    assert json.loads(seccomp_profile(role))["defaultAction"] == "SCMP_ACT_ERRNO"

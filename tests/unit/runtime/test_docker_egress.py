"""The container that puts a packet filter below a module, and where there can be none."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from orchestrator.runtime.docker.egress import command_line, create_body, obstacle, seccomp_profile
from orchestrator.runtime.docker.settings import DockerSettings
from orchestrator.runtime.port import Egress

SETTINGS = DockerSettings(manager_id="m1", state_dir=Path("/state"))
RUNC = {"DefaultRuntime": "runc"}


@pytest.mark.parametrize(
    ("network", "runtime", "info", "there_is"),
    [
        ("genvm-m1-modules", None, RUNC, False),
        ("bridge", "crun", {}, False),
        ("own", "io.containerd.runc.v2", {}, False),
        ("own", None, {}, False),
        ("host", None, RUNC, True),
        ("container:abc", None, RUNC, True),
        ("own", "runsc", RUNC, True),
        ("own", "io.containerd.kata.v2", RUNC, True),
        ("own", None, {"DefaultRuntime": "runsc"}, True),
    ],
)
def test_rules_are_put_only_where_they_bind_the_module_and_nobody_else(
    network: str, runtime: str | None, info: dict[str, str], there_is: bool
) -> None:
    assert (obstacle(network, runtime, info) is not None) is there_is


def test_who_installs_the_filter_may_administer_one_network_and_nothing_else() -> None:
    line = command_line(SETTINGS, "install", Egress())
    body: dict[str, Any] = create_body(SETTINGS, "web:1", "container:abc", line, "web-1-egress")
    host = body["HostConfig"]
    assert (host["NetworkMode"], host["CapDrop"], host["CapAdd"]) == (
        "container:abc",
        ["ALL"],
        ["NET_ADMIN"],
    )
    assert host["ReadonlyRootfs"]
    assert "no-new-privileges:true" in host["SecurityOpt"]
    assert f"seccomp={seccomp_profile()}" in cast("list[str]", host["SecurityOpt"])
    assert "Mounts" not in host

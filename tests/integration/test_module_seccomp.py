"""The seccomp profiles of the llm and web modules, looked at from inside their own containers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from orchestrator.runtime.docker.options import seccomp_profile
from orchestrator.runtime.port import Role
from tests.integration import seccomp_probe

SOURCES = Path(seccomp_probe.__file__).parent
PROBES = "/probes"
# What only the web module may: it serves its browser, whose sandbox makes itself a root of nothing.
SERVING = {"accept", "accept4", "bind", "listen"}
# What executors alone are refused: a module's connections are its own, to the world, and not a node's.
NETWORKING = {"getpeername", "recvmmsg", "sendmmsg"}
CALLS = {
    Role.LLM: sorted(set(seccomp_probe.CALLS) - NETWORKING - {"setsockopt"}),
    Role.WEB: sorted(set(seccomp_probe.CALLS) - NETWORKING - SERVING - {"chroot", "unshare"}),
}
BROWSER_NAMESPACES = {"user", "pid", "net"}
REFUSED_NAMESPACES = {Role.LLM: {*seccomp_probe.NAMESPACES}, Role.WEB: {"mount", "cgroup", "uts", "ipc"}}
NOBODYS_SOCKETS = {
    "netlink",
    "packet",
    "alg",
    "vsock",
    "raw",
    "raw over IPv6",
    "ping",
    "sctp",
    "multipath tcp",
}
REFUSED_SOCKETS = {Role.LLM: {*NOBODYS_SOCKETS, "unix datagram", "unix seqpacket"}, Role.WEB: NOBODYS_SOCKETS}
OPEN_SOCKETS = ("tcp", "tcp over IPv6", "inet datagram", "udp over IPv6")
MODULES = (Role.LLM, Role.WEB)


def run_inside(engine: docker.APIClient, role: Role, user: str) -> Any:
    container = engine.create_container(
        f"genvm-{role}:latest",
        [f"{PROBES}/module_seccomp_probe.py"],
        entrypoint=["python3"],
        user=user,
        host_config=engine.create_host_config(
            init=True,
            network_mode="none",
            read_only=True,
            cap_drop=["ALL"],
            binds={str(SOURCES): {"bind": PROBES, "mode": "ro"}},
            security_opt=["no-new-privileges", f"seccomp={seccomp_profile(role)}"],
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


@pytest.fixture(
    scope="module",
    params=[(role, user) for role in MODULES for user in ("64321:64321", "0:0")],
    ids=lambda pair: f"{pair[0]} as {pair[1].partition(':')[0]}",
)
def seen(request: pytest.FixtureRequest, engine: docker.APIClient) -> Iterator[tuple[Role, Any]]:
    role, user = request.param
    yield role, run_inside(engine, role, user)


def test_the_filter_is_on_and_nothing_can_be_gained(seen: tuple[Role, Any]) -> None:
    assert seen[1]["status"] == {"Seccomp": "2", "NoNewPrivs": "1", "CapEff": "0000000000000000"}


def test_the_doors_to_the_kernel_are_shut(seen: tuple[Role, Any]) -> None:
    role, report = seen
    assert {call: report["calls"][call] for call in CALLS[role]} == dict.fromkeys(CALLS[role], "EPERM")


def test_no_namespace_can_be_made_but_the_browser_s(seen: tuple[Role, Any]) -> None:
    role, report = seen
    refused = REFUSED_NAMESPACES[role]
    assert {name: report["clone"][name] for name in refused} == dict.fromkeys(refused, "EPERM")
    for way in ("unshare", "unshare with user"):
        found = {name: report[way][name] for name in {*refused, "time"}}
        assert found == dict.fromkeys(found, "EPERM")


def test_the_flags_that_no_filter_sees_are_none(seen: tuple[Role, Any]) -> None:
    assert seen[1]["clone3"] == "ENOSYS"


def test_the_browser_can_lock_itself_in_and_nobody_else(seen: tuple[Role, Any]) -> None:
    role, report = seen
    assert report["empty root"] == ("ok" if role is Role.WEB else "no namespace: EPERM")


def test_sockets_are_for_the_internet_s_two_protocols(seen: tuple[Role, Any]) -> None:
    role, report = seen
    refused = REFUSED_SOCKETS[role]
    assert {name: report["sockets"][name] for name in refused} == dict.fromkeys(refused, "EPERM")
    # The machine may have no IPv6; that is the kernel's word then, not the filter's.
    assert {report["sockets"][name] for name in OPEN_SOCKETS} <= {"ok", "EAFNOSUPPORT"}


def test_the_packet_filter_is_out_of_reach_even_as_the_root_of_a_namespace(seen: tuple[Role, Any]) -> None:
    role, report = seen
    words = "EPERM" if role is Role.WEB else "no namespace: EPERM"
    assert report["packet filter"] == {"IPv4": words, "IPv6": words}


def test_the_llm_module_serves_nobody_over_a_network(seen: tuple[Role, Any]) -> None:
    role, report = seen
    assert report["served"] == ("ok" if role is Role.WEB else "EPERM")


def test_the_32_bit_gate_is_shut(seen: tuple[Role, Any]) -> None:
    assert seen[1]["foreign"] is False


def test_what_a_module_needs_works(seen: tuple[Role, Any]) -> None:
    assert set(seen[1]["works"].values()) == {True}


@pytest.mark.parametrize("role", MODULES)
def test_everything_that_is_not_named_is_refused(role: Role) -> None:
    profile = json.loads(seccomp_profile(role))
    always = {
        name
        for rule in profile["syscalls"]
        if rule["action"] == "SCMP_ACT_ALLOW" and "args" not in rule
        for name in rule["names"]
    }
    assert profile["defaultAction"] == "SCMP_ACT_ERRNO"
    assert not always & set(CALLS[role])
    assert not always & {"clone", "unshare", "socket", "socketpair"}

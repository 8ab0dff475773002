"""What `doctor` makes of what it sees."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.kits.docker import browser, engine, inside
from orchestrator.kits.docker.egress import judge_filter
from orchestrator.kits.finding import Level, fail, ok, warn
from orchestrator.operations.doctor import machine
from orchestrator.operations.doctor.report import report_json, report_text
from orchestrator.runtime.port import EgressFilter
from orchestrator.runtime_name import RuntimeName
from orchestrator.settings import Settings

GIB = 1024**3
INFO: dict[str, Any] = {
    "ServerVersion": "20.10.24+dfsg1",
    "CgroupVersion": "1",
    "KernelVersion": "6.1",
    "MemoryLimit": True,
    "PidsLimit": True,
    "CpuCfsQuota": True,
    "SwapLimit": True,
    "SecurityOptions": ["name=seccomp,profile=default"],
}
SEEN: dict[str, Any] = {
    "memory_killed": True,
    "tasks": 23,
    "cpu_quota": True,
    "seccomp": "2",
    "capabilities": "0000000000000000",
    "no_new_privileges": "1",
    "routes": 0,
}


@pytest.mark.parametrize(
    ("change", "level"),
    [
        pytest.param({}, Level.OK, id="all there"),
        pytest.param({"MemoryLimit": False}, Level.FAIL, id="no memory limit"),
        pytest.param({"PidsLimit": False}, Level.FAIL, id="no task limit"),
        pytest.param({"CpuCfsQuota": False}, Level.FAIL, id="no processor limit"),
        pytest.param({"SecurityOptions": None}, Level.FAIL, id="no seccomp"),
        pytest.param({"ServerVersion": "19.03.1"}, Level.WARN, id="old engine"),
        pytest.param({"ServerVersion": "devel"}, Level.WARN, id="unknown engine"),
        pytest.param({"SwapLimit": False}, Level.WARN, id="swap unlimited"),
        pytest.param({"ServerVersion": "29.1.0-rc.1"}, Level.OK, id="newer engine"),
    ],
)
def test_the_engine_is_judged_by_what_limits_need(change: dict[str, Any], level: Level) -> None:
    assert engine.judge_engine(INFO | change).level is level


@pytest.mark.parametrize(
    ("change", "failed"),
    [
        pytest.param({}, [], id="all hold"),
        pytest.param({"memory_killed": False}, ["memory_limit"], id="memory"),
        pytest.param({"tasks": 200}, ["pids_limit"], id="tasks"),
        pytest.param({"cpu_quota": False}, ["cpu_limit"], id="processor"),
        pytest.param({"seccomp": "0"}, ["seccomp"], id="seccomp"),
        pytest.param({"capabilities": "00000000a80425fb"}, ["privileges"], id="capabilities"),
        pytest.param({"routes": 1}, ["network"], id="network"),
    ],
)
def test_a_limit_that_does_not_hold_fails_by_name(change: dict[str, Any], failed: list[str]) -> None:
    assert [one.name for one in inside.judge_inside(SEEN | change) if one.failed] == failed


def test_a_kernel_without_user_namespaces_is_named_with_the_switch_that_keeps_them_away() -> None:
    seen = {"error": "unshare: Operation not permitted", "closed": ["user.max_user_namespaces=0"]}
    finding = browser.judge_sandbox(seen)
    assert finding.failed
    assert "user.max_user_namespaces=0" in finding.advice
    assert "unshare: Operation not permitted" in finding.found
    assert browser.judge_sandbox({"error": "", "closed": []}).level is Level.OK
    assert browser.judge_sandbox({}).failed


def test_a_browser_sandbox_that_is_switched_off_is_warned_of() -> None:
    assert browser.judge_sandbox({"error": "", "closed": []}, wanted=False).level is Level.WARN


def test_what_the_probe_did_not_see_does_not_hold() -> None:
    assert all(finding.failed for finding in inside.judge_inside({}))


@pytest.mark.parametrize(
    ("free", "level"), [(16 * GIB, Level.OK), (3 * GIB, Level.WARN), (GIB - 1, Level.FAIL)]
)
def test_memory_is_compared_with_what_the_permits_allow(free: int, level: Level) -> None:
    assert machine.judge_memory(free, permits=8, instance=GIB).level is level


@pytest.mark.parametrize(
    ("skew", "level"), [(0.5, Level.OK), (-5, Level.WARN), (5, Level.WARN), (-3600, Level.FAIL)]
)
def test_the_engine_s_clock_may_be_off_by_a_little(skew: float, level: Level) -> None:
    assert engine.judge_skew(skew).level is level


def test_the_engine_s_nanoseconds_are_read() -> None:
    assert engine.check_engine_clock({"SystemTime": "2020-11-24T00:28:30.123456789Z"}).level is Level.FAIL
    assert engine.check_engine_clock({"SystemTime": "noon"}).level is Level.WARN


RUNTIMES = {"Runtimes": {"runc": {}, "runsc": {}}, "DefaultRuntime": "runc"}


@pytest.mark.parametrize(
    ("name", "level"),
    [
        pytest.param(None, Level.OK, id="the engine's own"),
        pytest.param("runsc", Level.OK, id="one that it knows"),
        pytest.param("kata", Level.FAIL, id="one that it does not know"),
        pytest.param("io.containerd.kata.v2", Level.OK, id="a shim, which it lists nowhere"),
    ],
)
def test_a_container_runtime_has_to_be_the_engine_s(name: str | None, level: Level) -> None:
    found = engine.judge_runtimes(RUNTIMES, {"GENVM_OCI_RUNTIME": None, "GENVM_MODULE_OCI_RUNTIME": name})
    assert found.level is level


def test_an_unknown_container_runtime_is_named_with_its_setting() -> None:
    found = engine.judge_runtimes(RUNTIMES, {"GENVM_OCI_RUNTIME": "kata", "GENVM_MODULE_OCI_RUNTIME": "runc"})
    assert "kata" in found.found
    assert "GENVM_OCI_RUNTIME" in found.advice
    assert "GENVM_MODULE_OCI_RUNTIME" not in found.advice


def clock(*times: float) -> Iterator[float]:
    yield from times


@pytest.mark.parametrize(
    ("wall", "monotonic", "level"),
    [
        pytest.param((1.8e9, 1.8e9 + 0.2), (10, 10.2), Level.OK, id="together"),
        pytest.param((1.8e9, 1.8e9 + 30), (10, 10.2), Level.WARN, id="jumps"),
        pytest.param((0.0, 0.2), (10, 10.2), Level.FAIL, id="1970"),
    ],
)
def test_the_clock_is_compared_with_itself(
    wall: tuple[float, ...], monotonic: tuple[float, ...], level: Level
) -> None:
    walls, ticks = clock(*wall), clock(*monotonic)
    found = machine.check_clock(lambda: next(walls), lambda: next(ticks), lambda _: None)
    assert found.level is level


def test_a_long_state_directory_fails_where_its_sockets_are_opened_by_path(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100)
    process = Settings(state_dir=deep, runtime=RuntimeName.PROCESS)
    assert machine.check_socket_paths(process).level is Level.FAIL
    assert machine.check_socket_paths(Settings(state_dir=deep)).level is Level.OK
    assert machine.check_socket_paths(Settings(state_dir=tmp_path, socket=deep / "s")).level is Level.FAIL


def test_a_state_directory_that_others_can_write_is_warned_of(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    assert machine.check_state_dir(Settings(state_dir=tmp_path)).level is Level.WARN
    tmp_path.chmod(0o711)
    assert machine.check_state_dir(Settings(state_dir=tmp_path)).level is Level.OK


def test_the_report_says_what_to_do_below_what_is_wrong() -> None:
    findings = [ok("a", "fine"), warn("b", "so so", "mend it"), fail("c", "bad\x1b[2J\nlines", "replace it")]
    assert report_text(findings).splitlines() == [
        "      CHECK  FOUND",
        "OK    a      fine",
        "WARN  b      so so",
        "      → mend it",
        r"FAIL  c      bad\x1b[2J lines",
        "      → replace it",
        "1 ok, 1 warn, 1 fail",
    ]
    assert report_json(findings)["ok"] is False
    assert report_json(findings[:2])["ok"] is True


@pytest.mark.parametrize(
    ("changes", "level"),
    [
        ({}, Level.OK),
        ({"socket": Path("/run/genvm/api.sock"), "host": "0.0.0.0"}, Level.OK),
        ({"host": "0.0.0.0"}, Level.FAIL),
        ({"host": "0.0.0.0", "allow_unauthenticated": True}, Level.WARN),
        ({"host": "0.0.0.0", "tokens_file": Path("/run/genvm/tokens")}, Level.OK),
        ({"host": "no.such.name.invalid"}, Level.FAIL),
    ],
    ids=str,
)
def test_a_listener_that_others_reach_is_seen(changes: dict[str, Any], level: Level) -> None:
    assert machine.check_listener(Settings(**changes)).level is level


@pytest.mark.parametrize(
    ("wanted", "why", "level"),
    [
        (EgressFilter.AUTO, None, Level.OK),
        (EgressFilter.ON, None, Level.OK),
        (EgressFilter.OFF, None, Level.WARN),
        (EgressFilter.AUTO, "the kernel knows no nf_tables", Level.WARN),
        (EgressFilter.ON, "the kernel knows no nf_tables", Level.FAIL),
    ],
)
def test_a_packet_filter_that_has_to_be_and_cannot_fails(
    wanted: EgressFilter, why: str | None, level: Level
) -> None:
    finding = judge_filter(wanted, why)
    assert finding.level is level
    assert (why or "") in finding.found

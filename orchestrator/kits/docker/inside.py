"""One tiny container with an instance's own limits, looked at from inside, then removed. Blocking.

It is not this manager's: with its label a running manager would sweep it away.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from contextlib import suppress
from importlib import resources
from pathlib import Path
from typing import Any

from docker import APIClient

from orchestrator.kits.docker.engine import ENGINE_ERRORS, reason
from orchestrator.kits.finding import Finding, fail, ok
from orchestrator.runtime.docker import options
from orchestrator.runtime.docker.masks import hidden_from
from orchestrator.runtime.docker.settings import DockerSettings
from orchestrator.runtime.port import InstanceSpec, Role
from orchestrator.settings import Settings

MIB = 1024**2
MEMORY = 64 * MIB
PIDS = 24
CPUS = 0.5
RUN_TIMEOUT = 30
LOG_BYTES = 10_000


def check_limits(client: APIClient, settings: Settings) -> list[Finding]:
    """Whether memory, task and processor limits and the seccomp profile hold; each is tried, not read."""
    made = body(settings, Role.EXECUTOR, "probe.py")
    image = str(made["Image"])
    try:
        seen = look(client, made)
    except ENGINE_ERRORS as error:
        text = reason(error)
        advice = "the engine refuses what every instance needs; see its log (journalctl -u docker)"
        if "seccomp" in text:
            return [fail("seccomp", f"the profile is refused: {text}", advice)]
        if "No such image" in text:
            return [fail("limits", f"{image} is missing", "make images")]
        return [fail("limits", f"a container with limits does not start: {text}", advice)]
    except ValueError as error:
        return [
            fail(
                "limits",
                f"the probe container gave no useful answer: {error}",
                "see `docker logs` of the engine",
            )
        ]
    return judge_inside(seen)


def judge_inside(seen: Mapping[str, Any]) -> list[Finding]:
    """From what the probe saw. A key that is missing has not been seen to hold."""
    controllers = "enable the cgroup controller (kernel command line: cgroup_enable=memory swapaccount=1)"
    own = seen.get("capabilities") == "0000000000000000" and seen.get("no_new_privileges") == "1"
    return [
        _held("memory_limit", seen.get("memory_killed") is True, f"{MEMORY // MIB} MiB", controllers),
        _held("pids_limit", 0 < int(seen.get("tasks", 0)) <= PIDS, f"{PIDS} tasks", controllers),
        _held("cpu_limit", seen.get("cpu_quota") is True, f"{CPUS:g} cores", controllers),
        _held("seccomp", seen.get("seccomp") == "2", "the executors' profile", "see docs/isolation.md"),
        _held("privileges", own, "no capability, no new privileges", "see docs/isolation.md"),
        _held("network", seen.get("routes") == 0, "no route to anywhere", "see docs/isolation.md"),
    ]


def _held(name: str, holds: bool, what: str, advice: str) -> Finding:
    return (
        ok(name, f"{what}: holds")
        if holds
        else fail(name, f"{what}: does NOT hold inside a container", advice)
    )


def body(settings: Settings, role: Role, probe: str, directory: Path | None = None) -> dict[str, Any]:
    """Of *create*: a small container as `role` has it, without a network; it runs one of our probes.

    `directory` is mounted where an instance has its control socket.
    """
    spec = InstanceSpec(
        name="doctor",
        role=role,
        image=settings.void_image,
        version="",
        execution_id=None,
        deadline=None,
        memory_bytes=MEMORY,
        cpus=CPUS,
        pids=PIDS,
    )
    runtime = DockerSettings(
        manager_id="doctor", state_dir=settings.state_dir, network="none", module_network="none"
    )
    seccomp = options.seccomp_profile(role)
    made: dict[str, Any] = options.create_body(runtime, spec, directory or Path("/"), "doctor", seccomp)
    script = resources.files(__package__).joinpath(probe).read_text("utf-8")
    if directory is None:
        made["HostConfig"].pop("Mounts")
        made["WorkingDir"] = "/"
    # The quota of processor time is read from a file that executors do not see.
    made["HostConfig"]["MaskedPaths"] = hidden_from(Role.LLM)
    made["HostConfig"].pop("ExtraHosts", None)
    return made | {
        "Entrypoint": [],
        "Cmd": ["python3", "-IS", "-c", script],
        "Labels": {runtime.label_prefix + "role": "doctor"},
    }


def look(client: APIClient, body: dict[str, Any]) -> Mapping[str, Any]:
    """What the probe printed. Raises ValueError when that is nothing of use, and the engine's errors."""
    name = f"genvm-doctor-{secrets.token_hex(4)}"
    try:
        client.create_container_from_config(body, name)  # type: ignore[no-untyped-call]
        client.start(name)
        client.wait(name, timeout=RUN_TIMEOUT)
        printed = bytes(client.logs(name, stdout=True, stderr=True, tail=50))[-LOG_BYTES:]
    finally:
        with suppress(*ENGINE_ERRORS):
            client.remove_container(name, force=True, v=True)
    try:
        seen = json.loads(printed)
    except ValueError:
        raise ValueError(printed.decode("utf-8", "replace")[-500:].strip() or "nothing") from None
    if not isinstance(seen, dict):
        raise ValueError(str(seen)[:200])
    return seen

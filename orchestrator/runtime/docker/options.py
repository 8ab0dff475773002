"""What an instance's container is created with: the body of the engine's *create* call, and its labels.

Each restriction here has a test that looks from inside the container (tests/integration/runtime).
"""

from __future__ import annotations

import json
from datetime import UTC
from functools import cache
from importlib import resources
from pathlib import Path

from orchestrator.runtime.docker.masks import hidden_from
from orchestrator.runtime.docker.settings import DockerSettings
from orchestrator.runtime.port import InstanceSpec, Role
from orchestrator.runtime.rendezvous import SOCKET_NAME

CONTROL_DIR = "/run/genvm"
SECCOMP_FILES = {role: f"seccomp-{role}.json" for role in Role}
TMP, SHM = "/tmp", "/dev/shm"  # noqa: S108 (inside the container)
"""All that an instance can write to."""

NO_RESOLVER: dict[str, object] = {"Dns": ["127.0.0.1"], "DnsSearch": ["."]}
"""Of a container without a network, which would be told the host's name servers and domains."""

HOST_GATEWAY = "host-gateway"
"""The engine's word for the machine's own address."""

READONLY_PATHS = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
PROC = "/proc"
"""Read-only as a whole for executors: nothing of theirs writes there, and a hostile process could turn down
what makes it the first to go when memory runs out. A browser's sandbox writes its user namespace there."""


@cache
def seccomp_profile(role: Role = Role.EXECUTOR) -> str:
    """A role's seccomp profile as one line of JSON. Raises FileNotFoundError when it is missing."""
    package = "genvm_wire" if role is Role.EXECUTOR else "orchestrator.runtime"
    text = resources.files(package).joinpath(SECCOMP_FILES[role]).read_text("utf-8")
    return json.dumps(json.loads(text), separators=(",", ":"))


def container_name(settings: DockerSettings, name: str) -> str:
    return f"genvm-{settings.manager_id}-{name}"


def managed_filter(settings: DockerSettings) -> str:
    """The label filter that selects this manager's containers and nobody else's."""
    return f"{settings.label_prefix}managed-by={settings.manager_id}"


def labels(settings: DockerSettings, spec: InstanceSpec, attempt: str) -> dict[str, str]:
    """Ids only: labels are visible to everybody who may ask the engine.

    `attempt` is random per start and tells a container that a lost reply made from somebody else's.
    """
    values = {
        "managed-by": settings.manager_id,
        "instance": spec.name,
        "role": spec.role.value,
        "version": spec.version,
        "attempt": attempt,
    }
    if spec.execution_id is not None:
        values["execution"] = str(spec.execution_id)
    if spec.deadline is not None:
        values["deadline"] = spec.deadline.astimezone(UTC).isoformat()
    return {settings.label_prefix + key: value for key, value in values.items()}


def create_body(
    settings: DockerSettings,
    spec: InstanceSpec,
    directory: Path,
    attempt: str,
    seccomp: str,
    *,
    guarded: bool = False,
    host_gateway: bool = True,
) -> dict[str, object]:
    """The JSON body of *create* for `spec`; `directory` is the control directory as the engine sees it.

    `guarded`: its image brings an init of its own, which has to be the container's first process.
    `host_gateway`: the engine knows an address of the machine, for modules.
    """
    network = settings.module_network if _is_module(spec) else settings.network
    host_config = _host_config(settings, spec, directory, network, seccomp) | {"Init": not guarded}
    body: dict[str, object] = {
        "Image": spec.image,
        "User": f"{settings.uid}:{settings.uid}",
        **_meeting_place(spec),
        "Labels": labels(settings, spec, attempt),
        "StopSignal": "SIGKILL",
        "AttachStdin": False,
        "OpenStdin": False,
        "Tty": False,
        "HostConfig": host_config,
    }
    if _is_module(spec) and network != "host" and host_gateway:
        # Providers and signers of the operator's own often listen on the machine itself.
        host_config["ExtraHosts"] = [f"host.docker.internal:{HOST_GATEWAY}"]
    if not network.startswith("container:"):
        # The engine refuses a name of its own for a container that shares another's network.
        body["Hostname"] = "genvm"
    return body


def _meeting_place(spec: InstanceSpec) -> dict[str, object]:
    """Where the control socket is: for executors a name relative to where they start.

    Their profile lets no address through that is long enough for the internet.
    """
    if _is_module(spec):
        return {"Env": [f"GENVM_CONTROL={CONTROL_DIR}/{SOCKET_NAME}"]}
    return {"Env": [f"GENVM_CONTROL={SOCKET_NAME}", *_reuse(spec)], "WorkingDir": CONTROL_DIR}


def _reuse(spec: InstanceSpec) -> list[str]:
    """What an executor of several runs has to know: how many, and what has to be empty between two."""
    return [f"GENVM_REUSE={spec.reuse}", f"GENVM_SCRATCH={TMP}:{SHM}"] if spec.reuse > 1 else []


def _is_module(spec: InstanceSpec) -> bool:
    return spec.role is not Role.EXECUTOR


def _host_config(
    settings: DockerSettings, spec: InstanceSpec, directory: Path, network: str, seccomp: str
) -> dict[str, object]:
    files = settings.module_open_files if _is_module(spec) else settings.open_files
    body: dict[str, object] = {
        "NetworkMode": network,
        "IpcMode": "private",
        "CgroupnsMode": "private",
        "AutoRemove": False,
        "RestartPolicy": {"Name": "no"},
        "Privileged": False,
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges:true", f"seccomp={seccomp}"],
        "MaskedPaths": hidden_from(spec.role),
        "ReadonlyPaths": [*([] if _is_module(spec) else [PROC]), *READONLY_PATHS],
        "Devices": [],
        "ReadonlyRootfs": True,
        # The engine's own mount for shared memory has no bound of inodes, and those are kernel memory.
        "Tmpfs": {
            TMP: _tmpfs(settings, spec.tmp_bytes or settings.tmp_bytes),
            SHM: _tmpfs(settings, spec.shm_bytes or settings.shm_bytes),
        },
        "Mounts": [
            {
                "Type": "bind",
                "Source": str(directory),
                "Target": CONTROL_DIR,
                "ReadOnly": True,
                "BindOptions": {"Propagation": "rprivate"},
            }
        ],
        "Memory": spec.memory_bytes,
        "MemorySwap": spec.memory_bytes,  # memory and swap together: no swap
        "NanoCpus": int(spec.cpus * 1e9),
        "PidsLimit": spec.pids,
        "OomScoreAdj": settings.oom_score_adj,
        "Ulimits": [
            {"Name": "nofile", "Soft": files, "Hard": files},
            {"Name": "core", "Soft": 0, "Hard": 0},
            {"Name": "msgqueue", "Soft": 0, "Hard": 0},
            {"Name": "memlock", "Soft": 65536, "Hard": 65536},
        ],
        "LogConfig": {"Type": "json-file", "Config": {"max-size": settings.log_size, "max-file": "1"}},
    }
    if (runtime := settings.module_oci_runtime if _is_module(spec) else settings.oci_runtime) is not None:
        body["Runtime"] = runtime
    if network == "none":
        body |= NO_RESOLVER
    return body


def _tmpfs(settings: DockerSettings, size: int) -> str:
    return f"rw,noexec,nosuid,nodev,mode=1777,size={size},nr_inodes={settings.tmp_inodes}"

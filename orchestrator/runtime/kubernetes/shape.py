"""What an instance's Pod is created with (spec: Kubernetes, section 2). Passes PodSecurity *restricted*.

Two containers share a memory volume at /run/genvm: the connector, which a manager dials and which listens
on the control socket, and the executor, which finds there what it finds under every other runtime. The
executor's container never sees the token.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from orchestrator.runtime.kubernetes import naming
from orchestrator.runtime.kubernetes.pods import CONNECTOR, EXECUTOR, TOKEN
from orchestrator.runtime.kubernetes.settings import KubernetesSettings
from orchestrator.runtime.port import InstanceSpec, Role
from orchestrator.runtime.rendezvous import SOCKET_NAME

CONTROL_DIR = "/run/genvm"
TMP, SHM = "/tmp", "/dev/shm"  # noqa: S108 (inside the container)

CONNECTOR_COMMAND = ("python3", "-I", "-m", "genvm_connector")
CONNECTOR_CPU_LIMIT = 1.0
"""Cores: all that its one thread can use. A quota on `limits.cpu` refuses a container without one."""
EXECUTOR_IDLE, MODULE_IDLE = 30, 600
"""Seconds without a manager and without work after which a Pod ends by itself: as long as under Docker."""

_CLOSED: Mapping[str, object] = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


def manifest(
    settings: KubernetesSettings, spec: InstanceSpec, *, attempt: str, token: str, deadline_in: float | None
) -> dict[str, object]:
    """The body of *create* for `spec`.

    `deadline_in`: seconds until the run's own deadline, null for one that waits for its job: such a Pod
    gets its last line with the job, and it can only ever be lowered. `token` proves a manager to the
    connector.
    """
    state = "idle" if spec.execution_id is None and spec.role is Role.EXECUTOR else "busy"
    pod: dict[str, object] = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "hostname": "genvm",
        **_names(spec),
        "terminationGracePeriodSeconds": 1,
        "tolerations": [_unreachable(settings)],
        "securityContext": _user(settings),
        "initContainers": [_connector(settings, spec, token)],
        "containers": [_executor(settings, spec)],
        "volumes": _volumes(settings, spec),
    }
    if deadline_in is not None:
        pod["activeDeadlineSeconds"] = last_line(settings, deadline_in)
    if settings.pull_secrets:
        pod["imagePullSecrets"] = [{"name": name} for name in settings.pull_secrets]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": naming.pod_name(settings, spec.name),
            "labels": naming.labels(settings, spec, attempt, state),
            "annotations": naming.notes(settings, spec),
        },
        "spec": pod,
    }


def last_line(settings: KubernetesSettings, seconds: float) -> int:
    """`activeDeadlineSeconds` for a deadline that many seconds after the Pod's start; at least 1."""
    return max(1, math.ceil(seconds + settings.deadline_grace))


def _names(spec: InstanceSpec) -> dict[str, object]:
    """An executor looks nothing up; a module's work is in the world."""
    if spec.role is not Role.EXECUTOR:
        return {"dnsPolicy": "ClusterFirst"}
    return {"dnsPolicy": "None", "dnsConfig": {"nameservers": ["127.0.0.1"]}}


def _unreachable(settings: KubernetesSettings) -> dict[str, object]:
    return {
        "key": "node.kubernetes.io/unreachable",
        "operator": "Exists",
        "effect": "NoExecute",
        "tolerationSeconds": settings.unreachable_seconds,
    }


def _user(settings: KubernetesSettings) -> dict[str, object]:
    return {
        "runAsNonRoot": True,
        "runAsUser": settings.uid,
        "runAsGroup": settings.uid,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def _connector(settings: KubernetesSettings, spec: InstanceSpec, token: str) -> dict[str, object]:
    idle = EXECUTOR_IDLE if spec.role is Role.EXECUTOR else MODULE_IDLE
    memory = str(settings.connector_memory_bytes)
    return {
        "name": CONNECTOR,
        "restartPolicy": "Always",  # makes it a sidecar: started first, ended last
        "image": settings.connector_image,
        "imagePullPolicy": settings.pull_policy,
        "command": list(CONNECTOR_COMMAND),
        "env": [
            {"name": TOKEN, "value": token},
            {"name": "GENVM_CONNECTOR_PORT", "value": str(settings.connector_port)},
            {"name": "GENVM_IDLE_SECONDS", "value": str(idle)},
        ],
        "ports": [{"containerPort": settings.connector_port, "name": "control"}],
        # Same group as the executor: connecting needs write permission on the socket.
        "securityContext": {**_CLOSED, "runAsUser": settings.connector_uid, "runAsGroup": settings.uid},
        "resources": {
            "requests": {"cpu": _cpus(settings.connector_cpus), "memory": memory},
            "limits": {"cpu": _cpus(CONNECTOR_CPU_LIMIT), "memory": memory},
        },
        "volumeMounts": [{"name": "run", "mountPath": CONTROL_DIR}],
    }


def _executor(settings: KubernetesSettings, spec: InstanceSpec) -> dict[str, object]:
    size = {"cpu": _cpus(spec.cpus), "memory": str(spec.memory_bytes)}
    return {
        "name": EXECUTOR,
        "image": spec.image,
        "imagePullPolicy": settings.pull_policy,
        "workingDir": CONTROL_DIR,
        "env": [{"name": name, "value": value} for name, value in _environment(spec).items()],
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": dict(_CLOSED),
        "resources": {"requests": size, "limits": size},
        "volumeMounts": [
            {"name": "tmp", "mountPath": TMP},
            {"name": "shm", "mountPath": SHM},
            {"name": "run", "mountPath": CONTROL_DIR, "readOnly": True},
        ],
    }


def _environment(spec: InstanceSpec) -> dict[str, str]:
    """For executors the socket's name is relative: their profile lets no long address through."""
    if spec.role is not Role.EXECUTOR:
        return {"GENVM_CONTROL": f"{CONTROL_DIR}/{SOCKET_NAME}"}
    reuse = {"GENVM_REUSE": str(spec.reuse), "GENVM_SCRATCH": f"{TMP}:{SHM}"} if spec.reuse > 1 else {}
    return {"GENVM_CONTROL": SOCKET_NAME} | reuse


def _volumes(settings: KubernetesSettings, spec: InstanceSpec) -> list[dict[str, object]]:
    sizes = {
        "tmp": spec.tmp_bytes or settings.tmp_bytes,
        "shm": spec.shm_bytes or settings.shm_bytes,
        "run": settings.run_bytes,
    }
    return [
        {"name": name, "emptyDir": {"medium": "Memory", "sizeLimit": str(size)}}
        for name, size in sizes.items()
    ]


def _cpus(cpus: float) -> str:
    """Thousandths, as a text: a fraction of a number would be rounded by who reads it."""
    return f"{max(1, round(cpus * 1000))}m"

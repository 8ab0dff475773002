"""PodSecurity *restricted*, as far as a Pod's spec decides it (spec: Kubernetes, section 2)."""

from __future__ import annotations

from collections.abc import Iterator

from tests.helm.chart import Object, containers

VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
HOST = ("hostNetwork", "hostPID", "hostIPC")
PROFILES = {"RuntimeDefault", "Localhost"}


def violations(pod: Object) -> Iterator[str]:
    """What the admission would refuse, in its words."""
    outer = pod.get("securityContext", {})
    yield from (f"{name}=true" for name in HOST if pod.get(name))
    if outer.get("seccompProfile", {}).get("type") not in PROFILES:
        yield "seccompProfile"
    if outer.get("runAsNonRoot") is not True or outer.get("runAsUser") == 0:
        yield "runAsNonRoot != true"
    for volume in pod.get("volumes", []):
        yield from (f"volume {volume['name']}: {kind}" for kind in volume.keys() - VOLUMES - {"name"})
    for container in containers(pod):
        yield from (f"{container['name']}: {what}" for what in _of_container(container))


def _of_container(container: Object) -> Iterator[str]:
    own = container.get("securityContext", {})
    if own.get("allowPrivilegeEscalation") is not False:
        yield "allowPrivilegeEscalation != false"
    if own.get("privileged"):
        yield "privileged"
    if own.get("capabilities", {}).get("drop") != ["ALL"]:
        yield "unrestricted capabilities"
    if set(own.get("capabilities", {}).get("add", [])) - {"NET_BIND_SERVICE"}:
        yield "added capabilities"
    if own.get("runAsNonRoot") is False or own.get("runAsUser") == 0:
        yield "runs as root"
    if own.get("seccompProfile", {"type": "RuntimeDefault"})["type"] not in PROFILES:
        yield "seccompProfile"
    yield from (f"hostPort {port['hostPort']}" for port in container.get("ports", []) if "hostPort" in port)

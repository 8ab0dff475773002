"""Whom the API server of the suite lets in: PodSecurity, quotas, limit ranges, what must exist."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from tests.kubernetes.kube_statuses import Refusal, forbidden
from tests.kubernetes.kube_store import Store

Json = dict[str, Any]
_UNITS = {
    "": Decimal(1),
    "m": Decimal("0.001"),
    "k": Decimal(10**3),
    "M": Decimal(10**6),
    "G": Decimal(10**9),
    "Ki": Decimal(2**10),
    "Mi": Decimal(2**20),
    "Gi": Decimal(2**30),
}
_ALLOWED_VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
_SAFE_SYSCTLS = {"kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ping_group_range"}


def quantity(text: object) -> Decimal:
    """Raises Refusal, 400, for what is none."""
    found = re.fullmatch(r"([+-]?[0-9.]+)([a-zA-Z]*)", str(text))
    if found is None or found[2] not in _UNITS:
        raise Refusal(
            400,
            'Pod in version "v1" cannot be handled as a Pod: quantities must match the regular expression '
            "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
        )
    return Decimal(found[1]) * _UNITS[found[2]]


def must_exist(namespace: str, pod: Json) -> None:
    """What is looked at before the Pod itself is. Raises Refusal, 403."""
    name, spec = pod["metadata"]["name"], pod["spec"]
    if (account := spec.get("serviceAccountName", "default")) not in ("default", "genvm-manager"):
        why = f'error looking up service account {namespace}/{account}: serviceaccount "{account}" not found'
        raise forbidden("pods", name, why)
    if priority := spec.get("priorityClassName"):
        raise forbidden("pods", name, f"no PriorityClass with name {priority} was found")
    if runtime := spec.get("runtimeClassName"):
        raise forbidden("pods", name, f'pod rejected: RuntimeClass "{runtime}" not found')


def admit(store: Store, namespace: str, pod: Json) -> None:
    """Raises Refusal, 403, as the first of the server's plugins that says no."""
    name, spec = pod["metadata"]["name"], pod["spec"]
    _limit_ranges(store, namespace, name, spec)
    _pod_security(store, namespace, name, spec)
    for quota in store.all("resourcequotas", namespace):
        _quota(store, namespace, quota, pod)


def containers(spec: Json) -> list[Json]:
    return [*spec.get("initContainers", []), *spec["containers"]]


def _pod_security(store: Store, namespace: str, name: str, spec: Json) -> None:
    space = store.get("namespaces", "", namespace) or {"metadata": {}}
    level = (space["metadata"].get("labels") or {}).get("pod-security.kubernetes.io/enforce", "privileged")
    rules = {"restricted": _restricted, "baseline": _baseline}.get(level)
    if rules is not None and (violated := rules(spec)):
        raise forbidden("pods", name, f'violates PodSecurity "{level}:latest": {", ".join(violated)}')


def _baseline(spec: Json) -> list[str]:
    volumes = [f'volume "{v["name"]}"' for v in spec.get("volumes", []) if "hostPath" in v]
    found = [f"hostPath volumes ({', '.join(volumes)})"] if volumes else []
    host = [f"{key}=true" for key in ("hostNetwork", "hostPID", "hostIPC") if spec.get(key)]
    return found + ([f"host namespaces ({', '.join(host)})"] if host else [])


def _restricted(spec: Json) -> list[str]:
    own_user = spec.get("hostUsers") is False
    return [
        *_host(spec),
        *_each(spec, "allowPrivilegeEscalation", "allowPrivilegeEscalation != false", False),
        *_capabilities(spec),
        *_volumes(spec),
        *([] if own_user else _user(spec)),
        *_seccomp(spec),
    ]


def _host(spec: Json) -> list[str]:
    found = [f"{key}=true" for key in ("hostNetwork", "hostPID", "hostIPC") if spec.get(key)]
    said = [f"host namespaces ({', '.join(found)})"] if found else []
    for container in containers(spec):
        quoted = f'container "{container["name"]}"'
        for port in container.get("ports", []):
            if "hostPort" in port:
                said.append(f"hostPort ({quoted} uses hostPort {port['hostPort']})")
        if (container.get("securityContext") or {}).get("procMount") == "Unmasked":
            said.append(f'procMount ({quoted} must not set securityContext.procMount to "Unmasked")')
    sysctls = [s["name"] for s in (spec.get("securityContext") or {}).get("sysctls", [])]
    bad = [name for name in sysctls if name not in _SAFE_SYSCTLS]
    return said + ([f"forbidden sysctls ({', '.join(bad)})"] if bad else [])


def _each(spec: Json, key: str, title: str, wanted: object) -> list[str]:
    bad = [c["name"] for c in containers(spec) if (c.get("securityContext") or {}).get(key) is not wanted]
    if not bad:
        return []
    return [f"{title} ({_quoted(bad)} must set securityContext.{key}=false)"]


def _capabilities(spec: Json) -> list[str]:
    kept, added = [], []
    extra: list[str] = []
    for container in containers(spec):
        caps = (container.get("securityContext") or {}).get("capabilities") or {}
        if "ALL" not in caps.get("drop", []):
            kept.append(container["name"])
        if more := [cap for cap in caps.get("add", []) if cap != "NET_BIND_SERVICE"]:
            added.append(container["name"])
            extra += more
    said = [f'{_quoted(kept)} must set securityContext.capabilities.drop=["ALL"]'] if kept else []
    if added:
        listed = ", ".join(f'"{cap}"' for cap in extra)
        said.append(f"{_quoted(added)} must not include {listed} in securityContext.capabilities.add")
    return [f"unrestricted capabilities ({'; '.join(said)})"] if said else []


def _volumes(spec: Json) -> list[str]:
    for volume in spec.get("volumes", []):
        for kind in set(volume) - {"name"} - _ALLOWED_VOLUMES:
            used = f'volume "{volume["name"]}" uses restricted volume type "{kind}"'
            return [f"restricted volume types ({used})"]
    return []


def _user(spec: Json) -> list[str]:
    whole = spec.get("securityContext") or {}
    said = []
    if whole.get("runAsNonRoot") is False:
        said.append("runAsNonRoot != true (pod must not set securityContext.runAsNonRoot=false)")
    elif not whole.get("runAsNonRoot"):
        bad = [c for c in containers(spec) if not (c.get("securityContext") or {}).get("runAsNonRoot")]
        if bad:
            names = _quoted([c["name"] for c in bad])
            said.append(f"runAsNonRoot != true (pod or {names} must set securityContext.runAsNonRoot=true)")
    if whole.get("runAsUser") == 0:
        said.append("runAsUser=0 (pod must not set runAsUser=0)")
    return said


def _seccomp(spec: Json) -> list[str]:
    allowed = ("RuntimeDefault", "Localhost")
    whole = ((spec.get("securityContext") or {}).get("seccompProfile") or {}).get("type")
    if whole in allowed:
        return []
    if whole is not None:
        return [f'seccompProfile (pod must not set securityContext.seccompProfile.type to "{whole}")']
    bad = [
        c["name"]
        for c in containers(spec)
        if ((c.get("securityContext") or {}).get("seccompProfile") or {}).get("type") not in allowed
    ]
    wanted = 'securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"'
    return [f"seccompProfile (pod or {_quoted(bad)} must set {wanted})"] if bad else []


def _quoted(names: list[str]) -> str:
    listed = ", ".join(f'"{name}"' for name in names)
    return f"container{'s' if len(names) > 1 else ''} {listed}"


def _resource(container: Json, kind: str, name: str) -> Any:
    return ((container.get("resources") or {}).get(kind) or {}).get(name)


def _demand(pod: Json, key: str) -> Decimal:
    """What a Pod counts for under a quota's key."""
    if key in ("pods", "count/pods"):
        return Decimal(1)
    kind, name = key.split(".")
    asked = (_resource(container, kind, name) for container in containers(pod["spec"]))
    return sum((quantity(text) for text in asked if text is not None), Decimal(0))


def _counts(pod: Json) -> bool:
    """Until its object is gone, terminating ones too; what is over does not."""
    return pod.get("status", {}).get("phase") not in ("Succeeded", "Failed")


def _quota(store: Store, namespace: str, quota: Json, pod: Json) -> None:
    name, hard = quota["metadata"]["name"], quota["spec"]["hard"]
    lacking = [
        f"{key} for: {container['name']}"
        for key in sorted(hard)
        if "." in key
        for container in containers(pod["spec"])
        if _resource(container, *key.split(".")) is None
    ]
    if lacking:
        why = f"failed quota: {name}: must specify {'; '.join(lacking)}"
        raise forbidden("pods", pod["metadata"]["name"], why)
    present = [other for other in store.all("pods", namespace) if _counts(other)]
    used = {key: sum((_demand(other, key) for other in present), Decimal(0)) for key in hard}
    over = [key for key in sorted(hard) if used[key] + _demand(pod, key) > quantity(hard[key])]
    if over:
        parts = (
            ("requested", {key: _demand(pod, key) for key in over}),
            ("used", {key: used[key] for key in over}),
            ("limited", {key: quantity(hard[key]) for key in over}),
        )
        said = ", ".join(
            f"{word}: {','.join(f'{key}={_shown(key, value)}' for key, value in figures.items())}"
            for word, figures in parts
        )
        raise forbidden("pods", pod["metadata"]["name"], f"exceeded quota: {name}, {said}")


def _shown(key: str, value: Decimal) -> str:
    if key.endswith("memory"):
        for unit in ("Gi", "Mi", "Ki"):
            if value and value % _UNITS[unit] == 0:
                return f"{value // _UNITS[unit]}{unit}"
    if value == value.to_integral_value():
        return str(int(value))
    return f"{int(value * 1000)}m"


def _limit_ranges(store: Store, namespace: str, name: str, spec: Json) -> None:
    for limit_range in store.all("limitranges", namespace):
        for limit in limit_range["spec"]["limits"]:
            said = [why for container in spec["containers"] for why in _over(limit, container)]
            if said:
                raise forbidden("pods", name, said[0] if len(said) == 1 else f"[{', '.join(said)}]")


def _over(limit: Json, container: Json) -> list[str]:
    said = []
    for resource, least in limit.get("min", {}).items():
        asked = _resource(container, "requests", resource)
        if asked is not None and quantity(asked) < quantity(least):
            said.append(f"minimum {resource} usage per Container is {least}, but request is {asked}")
    for resource, most in limit.get("max", {}).items():
        asked = _resource(container, "limits", resource)
        if asked is not None and quantity(asked) > quantity(most):
            said.append(f"maximum {resource} usage per Container is {most}, but limit is {asked}")
    for resource, ratio in limit.get("maxLimitRequestRatio", {}).items():
        most = _resource(container, "limits", resource)
        asked = _resource(container, "requests", resource)
        title = f"{resource} max limit to request ratio per Container is {ratio}, but"
        if asked is None:
            said.append(f"{title} no request is specified or request is 0")
        elif most is not None and quantity(most) / quantity(asked) > quantity(ratio):
            said.append(f"{title} provided ratio is {quantity(most) / quantity(asked):.6f}")
    return said

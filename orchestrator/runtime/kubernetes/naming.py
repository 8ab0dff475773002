"""Names, labels and annotations of Pods: ids only, since whoever may list Pods reads them.

Labels are what a manager finds its Pods by, and what policies of the network select. Their values may have 63
characters; what could be longer or has other characters (a deadline has colons) is an annotation.
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC

from orchestrator.runtime.kubernetes.settings import KubernetesSettings
from orchestrator.runtime.port import InstanceSpec

MANAGED_BY = "app.kubernetes.io/managed-by"
PRODUCT = "genvm-orchestrator"

_LONGEST_VALUE = 63
_DIGEST = 12


def pod_name(settings: KubernetesSettings, name: str) -> str:
    """The Pod of instance `name`: always the same, so that a second create collides instead of doubling."""
    return _name_like(f"genvm-{settings.manager_id}-{name}")


def labels(settings: KubernetesSettings, spec: InstanceSpec, attempt: str, state: str) -> dict[str, str]:
    """`attempt` is random per create and tells ours, after a lost reply, from somebody else's."""
    values = {
        "managed-by": settings.manager_id,
        "instance": spec.name,
        "role": spec.role.value,
        "version": spec.version,
        "attempt": attempt,
        "state": state,
    }
    if spec.execution_id is not None:
        values["execution"] = str(spec.execution_id)
    prefixed = {settings.label_prefix + key: label_value(value) for key, value in values.items()}
    return {MANAGED_BY: PRODUCT} | prefixed


def notes(settings: KubernetesSettings, spec: InstanceSpec) -> dict[str, str]:
    """What is no label: the instance's name in full, its image as it was asked for, its deadline."""
    values = {"name": spec.name, "image": spec.image}
    if spec.deadline is not None:
        values["deadline"] = spec.deadline.astimezone(UTC).isoformat()
    # An autoscaler that empties a node must not end runs for it.
    keep = {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"}
    return keep | {settings.label_prefix + key: value for key, value in values.items()}


def managed_selector(settings: KubernetesSettings) -> str:
    """Selects this manager's Pods and nobody else's, by labels that never change."""
    return f"{MANAGED_BY}={PRODUCT},{settings.label_prefix}managed-by={label_value(settings.manager_id)}"


def label_value(text: str) -> str:
    """`text` where a label may have it, else something as good as unique that resembles it."""
    plain = re.sub(r"[^A-Za-z0-9_.-]", "-", text).strip("_.-")
    if plain == text and len(text) <= _LONGEST_VALUE:
        return text
    return f"{plain[: _LONGEST_VALUE - _DIGEST - 1]}-{_digest(text)}".lstrip("_.-")


def _name_like(text: str) -> str:
    plain = re.sub(r"[^a-z0-9-]", "-", text.lower()).strip("-")
    if plain == text and len(text) <= _LONGEST_VALUE:
        return text
    # Longer ones are allowed for a Pod, but its host name is cut at 63.
    return f"{plain[: _LONGEST_VALUE - _DIGEST - 1].rstrip('-')}-{_digest(text)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGEST]

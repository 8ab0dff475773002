"""`docs/labels.md`: what containers, Pods and images of ours carry, from the code that puts it there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from orchestrator.imaging.engine import CONTENT_LABEL, PROJECT_LABEL, STAGE_LABEL
from orchestrator.reference.tables import code, table
from orchestrator.runtime.docker import options
from orchestrator.runtime.docker.guarded import LABEL
from orchestrator.runtime.docker.settings import DockerSettings
from orchestrator.runtime.kubernetes import naming
from orchestrator.runtime.kubernetes.settings import KubernetesSettings
from orchestrator.runtime.port import InstanceSpec, Role

HEAD = """\
# Labels

Made by `make reference` from the code that sets them; a test compares the two. Labels have ids only, never
anything of a contract: whoever may ask the engine reads them. A manager touches nothing that does not carry
its own id, whatever else it carries ([runbook](runbook.md)).
"""
DOCKER: Final = DockerSettings(manager_id="id", state_dir=Path("/"))
PREFIX: Final = DOCKER.label_prefix
ABOUT: Final = {
    PREFIX + "managed-by": "the manager's id: nothing with another one is ever touched",
    PREFIX + "instance": "the instance's name, which no two have at a time",
    PREFIX
    + "role": f"what it is: {', '.join(code(role.value) for role in Role)}; beside them a manager's own"
    " helpers",
    PREFIX + "version": "the executor's, by the manifest; of modules their kind's",
    PREFIX + "attempt": "random for each start: tells this one from another's after a lost reply",
    PREFIX + "execution": "the run's id; not there while an instance is only ready",
    PREFIX + "deadline": "when it has to be gone, in UTC; not there while it is only ready",
    PREFIX + "state": "how far its life has come, as its manager has seen it",
    PREFIX + "name": "the instance's name in full: a label is cut at 63 characters",
    PREFIX + "image": "its image as it was asked for",
    naming.MANAGED_BY: "the product, by Kubernetes' own convention",
    "cluster-autoscaler.kubernetes.io/safe-to-evict": "an autoscaler must not end runs",
    CONTENT_LABEL: "a digest of everything that the image was built from: out of date when it differs",
    PROJECT_LABEL: "which of the project's images it is",
    STAGE_LABEL: "a stage of a build, removed afterwards",
    PREFIX + LABEL: "the image's first process is the watchdog, which ends it at its deadline",
}


def page() -> str:
    """The whole page, as Markdown."""
    cluster = KubernetesSettings(manager_id="id", connector_image="image")
    images = (CONTENT_LABEL, PROJECT_LABEL, STAGE_LABEL, PREFIX + LABEL)
    return HEAD + "".join(
        [
            _section("Containers", options.labels(DOCKER, _instance(), "attempt")),
            _section("Pods: labels", naming.labels(cluster, _instance(), "attempt", "state")),
            _section("Pods: annotations", naming.notes(cluster, _instance())),
            _section("Images", images),
        ]
    )


def _section(title: str, keys: Iterable[str] | Mapping[str, str]) -> str:
    rows = [(code(key), ABOUT[key]) for key in keys]
    return f"\n## {title}\n\n{table(('key', 'what'), rows)}"


def _instance() -> InstanceSpec:
    return InstanceSpec(
        name="name",
        role=Role.EXECUTOR,
        image="image",
        version="version",
        execution_id=1,
        deadline=datetime.now(UTC),
        memory_bytes=1,
        cpus=1,
        pids=1,
    )

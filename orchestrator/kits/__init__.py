"""What goes with each runtime: how it is opened, surveyed and checked.

A runtime is a package of `orchestrator.runtime`, a kit here and a line below, its name (`runtime_name`), and
its settings.
"""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.kits.docker.kit import DockerKit
from orchestrator.kits.kit import Kit
from orchestrator.kits.kubernetes.kit import KubernetesKit
from orchestrator.kits.process import ProcessKit
from orchestrator.runtime_name import RuntimeName
from orchestrator.settings import Settings

KITS: Mapping[RuntimeName, Kit] = {
    RuntimeName.DOCKER: DockerKit(),
    RuntimeName.KUBERNETES: KubernetesKit(),
    RuntimeName.PROCESS: ProcessKit(),
}


def kit_of(settings: Settings) -> Kit:
    """The kit of the runtime that the settings name."""
    return KITS[settings.runtime]

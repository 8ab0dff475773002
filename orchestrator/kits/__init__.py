"""What goes with each runtime: how it is opened, surveyed and checked.

A runtime is a package of `orchestrator.runtime`, a kit here and a line below, its name (`runtime_name`), and
its settings.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from functools import cache

from orchestrator.kits.kit import Kit
from orchestrator.runtime_name import RuntimeName
from orchestrator.settings import Settings

KITS: Mapping[RuntimeName, str] = {
    RuntimeName.DOCKER: "docker.kit.DockerKit",
    RuntimeName.KUBERNETES: "kubernetes.kit.KubernetesKit",
    RuntimeName.PROCESS: "process.ProcessKit",
}
"""Where each is, below this package: a manager imports one runtime and no other."""


def kit_of(settings: Settings) -> Kit:
    """The kit of the runtime that the settings name."""
    return _kit(settings.runtime)


@cache
def _kit(name: RuntimeName) -> Kit:
    module, _, kind = KITS[name].rpartition(".")
    kit: Kit = getattr(importlib.import_module(f"{__name__}.{module}"), kind)()
    return kit

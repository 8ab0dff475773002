"""The names of the runtimes, as settings and commands take them; what goes with each is a kit's (`kits`)."""

from __future__ import annotations

from enum import StrEnum
from typing import assert_never


class RuntimeName(StrEnum):
    DOCKER = "docker"
    KUBERNETES = "kubernetes"
    PROCESS = "process"

    @property
    def on_this_machine(self) -> bool:
        """Whether its instances are here, so that a developer's session can run on it."""
        match self:
            case RuntimeName.DOCKER | RuntimeName.PROCESS:
                return True
            case RuntimeName.KUBERNETES:
                return False
            case other:
                assert_never(other)

    @property
    def id_attribute(self) -> str:
        """What traces call the id of one of its instances (OpenTelemetry's resource attributes)."""
        match self:
            case RuntimeName.DOCKER:
                return "container.id"
            case RuntimeName.KUBERNETES:
                return "k8s.pod.uid"
            case RuntimeName.PROCESS:
                return "process.pid"
            case other:
                assert_never(other)


HERE = tuple(name.value for name in RuntimeName if name.on_this_machine)
"""What a developer's session may choose."""

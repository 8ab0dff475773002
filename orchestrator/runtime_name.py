"""The names of the runtimes, as settings and commands take them; what goes with each is a kit's (`kits`)."""

from __future__ import annotations

from enum import StrEnum


class RuntimeName(StrEnum):
    DOCKER = "docker"
    KUBERNETES = "kubernetes"
    PROCESS = "process"

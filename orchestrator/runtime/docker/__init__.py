"""Instances as Docker containers."""

from orchestrator.runtime.docker.runtime import DockerRuntime
from orchestrator.runtime.docker.settings import DockerSettings

__all__ = ["DockerRuntime", "DockerSettings"]

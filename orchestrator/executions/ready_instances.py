"""Instances that are ready before a run asks for one: a pool's, as the heart sees it."""

from __future__ import annotations

from typing import Protocol

from orchestrator.runtime.port import Instance, InstanceSpec


class ReadyInstances(Protocol):
    def claim(self, spec: InstanceSpec) -> Instance | None:
        """One that is ready and as `spec` asks, which is the caller's; null: one has to be started."""

    def take_back(self, instance: Instance) -> bool:
        """Whether an instance that is ready again after its run is kept for another; else it is destroyed."""


class NoneReady:
    """For managers without a pool."""

    def claim(self, spec: InstanceSpec) -> Instance | None:
        del spec
        return None

    def take_back(self, instance: Instance) -> bool:
        del instance
        return False


NONE_READY = NoneReady()

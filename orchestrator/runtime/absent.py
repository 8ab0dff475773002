"""A runtime out of reach: another machine's, whose manager is dead. What was there counts as lost."""

from __future__ import annotations

from typing import NoReturn

from orchestrator.runtime.engineless import Engineless
from orchestrator.runtime.port import EngineRefused, InstanceSpec, RuntimeStatistics


class AbsentRuntime(Engineless):
    """Implements `Runtime`: nothing is found, nothing can be started, and there is nothing to remove."""

    async def start(self, spec: InstanceSpec) -> NoReturn:
        """Raises EngineRefused."""
        raise EngineRefused(f"{spec.name} cannot be started on another machine's engine")

    async def adopt(self, spec: InstanceSpec) -> None:
        """See `Runtime.adopt`."""
        del spec

    async def discard(self, name: str) -> None:
        """Nobody here can. Without its manager it ends at its deadline at the latest."""
        del name

    async def sweep(self, keep: frozenset[str]) -> list[str]:
        """See `Runtime.sweep`."""
        del keep
        return []

    def statistics(self) -> RuntimeStatistics:
        return RuntimeStatistics(0, True, True, 0, 0)

    async def aclose(self) -> None:
        """There is nothing to let go."""

"""What an operator tells a manager about modules and their variables, whether it is alone or not."""

from __future__ import annotations

from typing import Protocol

from orchestrator.environment import EnvironmentOverlay
from orchestrator.modules.configuration import StartRequest
from orchestrator.modules.kinds import ModuleKind
from orchestrator.modules.service import ModuleService


class Orders(Protocol):
    """Each raises also what keeps all managers from being told, where there are several: StoreFailure."""

    async def start(self, kind: ModuleKind, request: StartRequest) -> None:
        """Returns when the module serves. Raises AlreadyRunning, ModuleFailure, RuntimeFailure."""

    async def restart(self, kind: ModuleKind, request: StartRequest) -> None:
        """Returns when the new one serves. Raises ModuleFailure, RuntimeFailure."""

    async def stop(self, kind: ModuleKind) -> bool:
        """Whether it ran."""

    async def set_variable(self, name: str, value: str) -> None:
        """Of configurations that are used from now on. Raises EnvironmentFull."""


class OwnOrders:
    """Implements `Orders` for a manager that is alone."""

    def __init__(self, modules: ModuleService, environment: EnvironmentOverlay) -> None:
        self._modules = modules
        self._environment = environment

    async def start(self, kind: ModuleKind, request: StartRequest) -> None:
        """See `Orders`."""
        await self._modules.start(kind, request)

    async def restart(self, kind: ModuleKind, request: StartRequest) -> None:
        """See `Orders`."""
        await self._modules.restart(kind, request)

    async def stop(self, kind: ModuleKind) -> bool:
        """See `Orders`."""
        return await self._modules.stop(kind)

    async def set_variable(self, name: str, value: str) -> None:
        """See `Orders`."""
        self._environment.set(name, value)

"""The modules' network: a bridge of the manager's own, through which they reach the world but not each other.

Made on first use, found again after a restart, removed with the last module. Executors have none of it.
"""

from __future__ import annotations

import asyncio

import structlog

from orchestrator.runtime.docker.engine import Engine, EngineConflict, EngineNotFound
from orchestrator.runtime.docker.options import container_name
from orchestrator.runtime.docker.settings import DockerSettings
from orchestrator.runtime.port import EngineRefused, EngineUnreachable

log = structlog.get_logger(__name__)

NAME = "modules"
# Containers on it talk to the gateway alone: a page in the browser has nothing to say to the llm module.
OPTIONS = {"com.docker.network.bridge.enable_icc": "false"}
MTU = "com.docker.network.driver.mtu"
ENGINES_OWN = "bridge"


class ModuleNetwork:
    """`make` may be called by many at once, and again after somebody has removed the network."""

    def __init__(self, engine: Engine, settings: DockerSettings) -> None:
        self._engine = engine
        self._settings = settings
        self._turn = asyncio.Lock()
        self.name = container_name(settings, NAME)
        self.used = False

    async def make(self) -> str:
        """The name of the network, which exists now. Raises EngineUnreachable, EngineRefused."""
        self.used = True
        async with self._turn:
            if not await self._exists():
                await self._create()
        return self.name

    async def _exists(self) -> bool:
        try:
            await self._engine.quick(lambda client: client.inspect_network(self.name))
        except EngineNotFound:
            return False
        return True

    async def _create(self) -> None:
        labels = {
            self._settings.label_prefix + "managed-by": self._settings.manager_id,
            self._settings.label_prefix + "role": NAME,
        }
        options = OPTIONS | await self._mtu()
        try:
            await self._engine.once(
                lambda client: client.create_network(
                    self.name, driver="bridge", options=options, labels=labels, check_duplicate=True
                )
            )
        except EngineConflict:
            return  # an earlier answer was lost: it is there
        log.info("module_network_made", network=self.name)

    async def _mtu(self) -> dict[str, str]:
        """As the engine's own bridge has it: in a tunnel or a cloud's network larger packets are lost, and an
        engine that was told so for its own gives other bridges 1500 all the same.
        """
        try:
            own = await self._engine.quick(lambda client: client.inspect_network(ENGINES_OWN))
        except EngineNotFound:
            return {}
        found = (own.get("Options") or {}).get(MTU)
        return {MTU: str(found)} if found else {}

    async def remove(self) -> None:
        """Take it away; one that is still in use stays, and is found by the next manager."""
        try:
            await self._engine.quick(lambda client: client.remove_network(self.name))
        except EngineNotFound:
            pass
        except (EngineUnreachable, EngineRefused) as error:
            log.warning("module_network_not_removed", network=self.name, error=str(error))

"""Starting a container that was just made: an engine's no is looked into before it is believed.

Docker 20.10 under load answered the only start of a fresh container with `OCI runtime start failed: cannot
start an already running container`. Such a no says nothing against the container's image, options or host.
"""

from __future__ import annotations

import structlog

from orchestrator.runtime.docker.engine import Engine, EngineNotFound
from orchestrator.runtime.port import EngineRefused

log = structlog.get_logger(__name__)

_MIXED_UP = "already running container"


class MixedUp(EngineRefused):
    """The engine takes a fresh container for one that it has started before; another one may do."""


async def start(engine: Engine, container: str) -> None:
    """Return when it has been started. Raises EngineUnreachable, EngineRefused, MixedUp."""
    try:
        await engine.once(lambda client: client.start(container))
    except EngineRefused as refused:
        if not await _runs(engine, container):
            raise MixedUp(str(refused)) if _MIXED_UP in str(refused) else refused from None
        log.warning("start_refused_and_done", container=container, error=str(refused))


async def _runs(engine: Engine, container: str) -> bool:
    try:
        found = await engine.quick(lambda client: client.inspect_container(container))
    except EngineNotFound:
        return False
    return bool(found["State"]["Running"])

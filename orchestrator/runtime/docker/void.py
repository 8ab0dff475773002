"""The void: one idle container without a network, whose empty namespace all executors of a manager join.

Making and tearing down a network namespace is half the price of a container's start. Sharing one is safe
because the seccomp profile allows no socket but a unix stream, and neither bind nor listen: in the void there
is nobody to reach and nobody who can be reached (docs/pool.md).
"""

from __future__ import annotations

import asyncio
from typing import Any

import structlog

from orchestrator.runtime.docker import options
from orchestrator.runtime.docker.engine import Engine, EngineNotFound
from orchestrator.runtime.docker.masks import hidden_from
from orchestrator.runtime.docker.removals import Removals
from orchestrator.runtime.docker.settings import MIB, VOID, DockerSettings
from orchestrator.runtime.docker.starting import start
from orchestrator.runtime.port import EngineRefused, EngineUnreachable, Role

log = structlog.get_logger(__name__)

OWN = "none"
MEMORY_BYTES = 16 * MIB
RETRY_S = 60.0
"""Between two tries when the engine refuses to make the void."""


def create_body(settings: DockerSettings, seccomp: str) -> dict[str, object]:
    """The JSON body of *create*: as little as a container can have."""
    own = {"managed-by": settings.manager_id, "instance": VOID, "role": VOID}
    return {
        "Image": settings.void_image,
        "Entrypoint": ["sleep"],
        "Cmd": ["infinity"],
        "User": f"{settings.uid}:{settings.uid}",
        "Hostname": "genvm",
        "Labels": {settings.label_prefix + key: value for key, value in own.items()},
        "StopSignal": "SIGKILL",
        "HostConfig": {
            "NetworkMode": OWN,
            **options.NO_RESOLVER,
            "IpcMode": "none",
            "CgroupnsMode": "private",
            "RestartPolicy": {"Name": "no"},
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges:true", f"seccomp={seccomp}"],
            "MaskedPaths": hidden_from(Role.EXECUTOR),
            "ReadonlyPaths": list(options.READONLY_PATHS),
            "ReadonlyRootfs": True,
            "Memory": MEMORY_BYTES,
            "MemorySwap": MEMORY_BYTES,
            "PidsLimit": 4,
            "LogConfig": {"Type": "none"},
        },
    }


class StartRefused(EngineRefused):
    """The engine has made the container, and does not start it."""


class Void:
    """Made on first use, found again after a restart, made anew when it has died.

    Instances that run keep the old one's namespace; new ones join the new one's.
    """

    def __init__(self, engine: Engine, removals: Removals, settings: DockerSettings) -> None:
        self._engine = engine
        self._removals = removals
        self._settings = settings
        self._name = options.container_name(settings, VOID)
        self._network: str | None = None
        self._refused_until = 0.0
        self._turn = asyncio.Lock()

    async def network(self) -> str:
        """What an executor's network mode is to be: the void's, or its own where the engine refuses the void.

        Raises EngineUnreachable.
        """
        if self._network is not None:
            return self._network
        async with self._turn:
            now = asyncio.get_running_loop().time()
            if self._network is None and now >= self._refused_until:
                try:
                    self._network = f"container:{await self._stand()}"
                except EngineRefused as error:
                    self._refused_until = now + RETRY_S
                    log.warning(
                        "void_refused",
                        image=self._settings.void_image,
                        error=str(error),
                        consequence="instances get a network namespace each, and start slower",
                    )
            return self._network or OWN

    async def _stand(self) -> str:
        """The id of the running void."""
        found = await self._inspect(self._name)
        if found is not None and found["State"]["Running"] and self._is_ours(found):
            return str(found["Id"])
        try:
            return await self._made()
        except StartRefused as refused:
            log.warning("void_made_again", error=str(refused))
            return await self._made()

    async def _made(self) -> str:
        """A fresh one, in the place of what there is. Raises StartRefused when only its start failed."""
        await self._removals.remove(self._name)
        try:
            body = create_body(self._settings, await asyncio.to_thread(options.seccomp_profile))
        except (FileNotFoundError, ValueError) as error:
            raise EngineRefused(
                f"{options.SECCOMP_FILES[Role.EXECUTOR]} is missing or broken: {error}"
            ) from error
        created = await self._engine.once(
            lambda client: client.create_container_from_config(body, self._name)  # type: ignore[no-untyped-call]
        )
        container = str(created["Id"])
        try:
            await start(self._engine, container)
        except EngineRefused as refused:
            raise StartRefused(str(refused)) from refused
        log.info("void_made", container=container)
        return container

    def _is_ours(self, found: dict[str, Any]) -> bool:
        labels = found["Config"].get("Labels") or {}
        ours = bool(labels.get(f"{self._settings.label_prefix}managed-by") == self._settings.manager_id)
        return ours and bool(found["HostConfig"]["NetworkMode"] == OWN)

    async def _inspect(self, container: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = await self._engine.quick(
                lambda client: client.inspect_container(container)
            )
        except EngineNotFound:
            return None
        return found

    async def fell(self, network: str) -> bool:
        """Whether the void behind `network` does not run any more; the next one to ask gets a new one.

        Raises EngineUnreachable.
        """
        if not network.startswith("container:"):
            return False
        found = await self._inspect(network.removeprefix("container:"))
        if found is not None and found["State"]["Running"]:
            return False
        if self._network == network:
            self._network = None
            log.warning("void_ended", network=network)
        return True

    async def remove(self) -> None:
        """Take it away; the next sweep or the next manager does when the engine cannot now."""
        self._network = None
        try:
            await self._removals.remove(self._name)
        except (EngineUnreachable, EngineRefused) as error:
            log.warning("void_not_removed", error=str(error))

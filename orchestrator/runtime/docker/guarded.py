"""Which images bring an init of their own, that ends them at their deadline; the others get the engine's."""

from __future__ import annotations

import asyncio

from orchestrator.runtime.docker.engine import Engine, EngineNotFound

LABEL = "image.watchdog"
"""Below the runtime's prefix, in the image's own labels; any value but none."""
BELIEVED_S = 5.0
"""A name may mean another image by then."""


class GuardedImages:
    def __init__(self, engine: Engine, label_prefix: str) -> None:
        self._engine = engine
        self._label = label_prefix + LABEL
        self._known: dict[str, tuple[float, bool]] = {}

    async def has(self, image: str) -> bool:
        """False also where there is no such image. Raises EngineUnreachable, EngineRefused."""
        now = asyncio.get_running_loop().time()
        until, guarded = self._known.get(image, (0.0, False))
        if now < until:
            return guarded
        try:
            inspected = await self._engine.quick(
                lambda client: client.inspect_image(image)  # type: ignore[no-untyped-call]
            )
        except EngineNotFound:
            return False
        guarded = bool((inspected["Config"].get("Labels") or {}).get(self._label))
        self._known = {**self._known, image: (now + BELIEVED_S, guarded)}
        return guarded

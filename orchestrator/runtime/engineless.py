"""What a runtime answers that has no container engine to ask."""

from __future__ import annotations

from collections.abc import Mapping


class Engineless:
    """A part of `Runtime`: nothing outlives its manager, there are no images, and nobody can be away."""

    async def idle(self) -> Mapping[str, str]:
        """See `Runtime.idle`."""
        return {}

    async def image_id(self, image: str) -> str:
        """See `Runtime.image_id`. The executor is this installation's."""
        del image
        return ""

    async def ping(self) -> None:
        """There is no engine to be away."""

    def reachable(self) -> bool:
        return True

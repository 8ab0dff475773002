"""The manifest in use, and taking its file anew (manager-api 3.11)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from orchestrator.contracts.manifest import load_manifest
from orchestrator.contracts.versions import Manifest


class Catalogue:
    """Which executor versions there are; one file read at the start and whenever it is asked for.

    `changed` is called with each manifest that replaces another.
    """

    def __init__(self, path: Path | None, image_pattern: str, manifest: Manifest) -> None:
        self._path = path
        self._image_pattern = image_pattern
        self.manifest = manifest
        self.changed: Callable[[Manifest], None] = lambda manifest: None

    @classmethod
    async def load(cls, path: Path | None, image_pattern: str) -> Catalogue:
        """Raises ManifestError."""
        return cls(path, image_pattern, await asyncio.to_thread(load_manifest, path, image_pattern))

    async def reload(self) -> None:
        """Replace the manifest by what its file says now. Raises ManifestError; the old one stays then."""
        self.manifest = await asyncio.to_thread(load_manifest, self._path, self._image_pattern)
        self.changed(self.manifest)

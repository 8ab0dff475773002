"""What makes two instances interchangeable."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from orchestrator.runtime.port import InstanceSpec, Role

ANY_VERSION = "any"
"""An instance learns its version from its job; until then it carries this label."""


@dataclass(frozen=True, slots=True)
class PoolKey:
    """Versions that share an image share its instances. What its name means may change: see `Shelf.renew`."""

    image: str
    memory_bytes: int
    cpus: float
    pids: int
    reuse: int = 1

    @classmethod
    def of(cls, spec: InstanceSpec) -> PoolKey | None:
        """None for what is never pooled: modules."""
        if spec.role is not Role.EXECUTOR:
            return None
        return cls(spec.image, spec.memory_bytes, spec.cpus, spec.pids, spec.reuse)

    def spec(self, name: str) -> InstanceSpec:
        """Of an instance that has no run yet."""
        return InstanceSpec(
            name=name,
            role=Role.EXECUTOR,
            image=self.image,
            version=ANY_VERSION,
            execution_id=None,
            deadline=None,
            memory_bytes=self.memory_bytes,
            cpus=self.cpus,
            pids=self.pids,
            reuse=self.reuse,
        )

    @property
    def mark(self) -> str:
        """In the names of this key's instances: the next manager tells by it which of them it can use."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:8]

"""Records that are laid out at once, under upstream's inner name for that."""

from __future__ import annotations

from typing import TypeVar

from genlayer_core.storage.build import layout_of
from genlayer_core.storage.rules import GenerationError

from .. import allow

C = TypeVar("C", bound=type)


def generate_storage(cls: C) -> C:
    """Mark a class as a record; constructing it makes one in memory. Raises GenerationError, TypeError."""
    allow(cls)
    layout_of(cls)
    return cls


__all__ = ("GenerationError", "allow", "generate_storage")

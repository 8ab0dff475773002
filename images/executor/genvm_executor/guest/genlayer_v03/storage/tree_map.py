"""`TreeMap`, where it differs from the first lines' (contract-sdk-v03 14.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, Self, TypeVar

from genlayer_core.storage import treemap as _treemap

K = TypeVar("K")
V = TypeVar("V")


class TreeMap(_treemap.TreeMap[K, V], Generic[K, V]):
    """A sorted map in storage. Keys are compared with `<` only."""

    __slots__ = ()

    def __init__(self, *_args: Any, **_kwargs: Any) -> None:
        raise TypeError(
            "this class can't be instantiated by user, please, use gl.storage.inmem_allocate(TreeMap[K, V])"
        )

    def assign(self, entries: Mapping[K, V], /) -> Self:
        """Replace the content, in the order of the mapping."""
        taken = list(entries.items())
        self.clear()
        for key, value in taken:
            self[key] = value
        return self


__all__ = ("TreeMap",)

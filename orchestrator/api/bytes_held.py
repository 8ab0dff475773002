"""How many bytes of request bodies the manager holds at once, over all connections. Pure, and exact.

What a body takes is counted as it arrives: a length that was only announced keeps nobody out.
"""

from __future__ import annotations

from types import TracebackType
from typing import Self

FREE = 64 * 1024
"""Bytes of each body that are not counted: small requests are served however full it is. Connections are
bounded, so these are, too."""


class TooManyBytes(Exception):
    """All bodies that are on their way take as much as they may together: try again later."""


class BytesHeld:
    """`limit` bounds what all bodies hold together, beyond the first `FREE` bytes of each."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._counted = 0

    @property
    def limit(self) -> int:
        return self._limit

    @property
    def counted(self) -> int:
        return self._counted

    def body(self) -> HeldBody:
        """An account for one body: a context, at whose end nothing of it is counted any more."""
        return HeldBody(self)

    def change(self, count: int) -> None:
        """Raises TooManyBytes, and nothing is changed then."""
        if count > 0 and self._counted + count > self._limit:
            raise TooManyBytes(
                f"requests that are being read hold {self._counted} of {self._limit} bytes "
                "(GENVM_BODY_BYTES): try again later"
            )
        self._counted += count


class HeldBody:
    """What one body holds now."""

    def __init__(self, all_bodies: BytesHeld) -> None:
        self._all = all_bodies
        self._size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.resize(0)

    @property
    def size(self) -> int:
        return self._size

    def resize(self, size: int) -> None:
        """Raises TooManyBytes when it grows beyond what is left; it holds what it held then."""
        self._all.change(max(0, size - FREE) - max(0, self._size - FREE))
        self._size = size

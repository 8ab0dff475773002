"""Amounts of fuel on the wire, whose width nothing announces (host-protocol 3.4, correction)."""

from __future__ import annotations

from typing import Final

from genvm_executor.host.connection import HostConnection

NARROW: Final = 8
WIDE: Final = 32


class FuelAmounts:
    """Amounts of `width` bytes, until the node's first one shows another width, if it may (`learnt`).

    A node sends an amount in one piece, and nothing after it: what follows the narrow form belongs to the
    wide one. Bytes that were held up on the way are still seen before the next request leaves, at the latest
    when the amount used is told; the node would take them for its own next request otherwise.
    """

    def __init__(self, connection: HostConnection, width: int, *, learnt: bool) -> None:
        self._connection = connection
        self._width = width
        self._unknown = learnt
        self._looks_narrow = False

    def read(self) -> int:
        """The amount of a reply whose error byte has been read."""
        if not self._unknown:
            return int.from_bytes(self._connection.read(self._width), "little")
        amount = self._connection.read(NARROW)
        self._width, self._looks_narrow = NARROW, True
        return int.from_bytes(amount + self._rest(), "little")

    def settle(self) -> None:
        """Before a request: from here on the width is known, if there was an amount."""
        if self._looks_narrow:
            self._rest()
            self._unknown = self._looks_narrow = False

    def written(self, amount: int) -> bytes:
        """Capped at the most that the width can say."""
        return min(amount, (1 << 8 * self._width) - 1).to_bytes(self._width, "little")

    def _rest(self) -> bytes:
        """What the wide form has beyond the narrow one, if it has begun to arrive."""
        if not self._connection.has_more():
            return b""
        rest = self._connection.read(WIDE - NARROW)
        self._width, self._unknown, self._looks_narrow = WIDE, False, False
        return rest

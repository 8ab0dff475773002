"""What is tried in rounds, for ever, and refused: more and more rarely.

Who refuses a thing may do so until somebody changes a rule: the same question every two seconds would be all
that a log has, and what stands before an engine may take this manager for an attacker.
"""

from __future__ import annotations

from collections.abc import Hashable

MOST = 31
"""Rounds that are passed over at most: a minute of rounds of two seconds."""


class Rarely:
    """Whose turn it is in a round. Each refusal doubles the rounds until the next try."""

    def __init__(self) -> None:
        self._over: dict[Hashable, tuple[int, int]] = {}

    def turn(self, key: Hashable) -> bool:
        """Once per round for each `key`: whether it is to be tried in this one."""
        left, span = self._over.get(key, (0, 0))
        if left > 0:
            self._over[key] = (left - 1, span)
        return left == 0

    def refused(self, key: Hashable, *, most: int = MOST) -> None:
        """`most`: rounds, fewer where who refused it may not be who has it to say."""
        _, span = self._over.get(key, (0, 0))
        span = min(2 * span + 1, most)
        self._over[key] = (span, span)

    def forget(self, key: Hashable) -> None:
        """It is done, or nobody wants it any more. Idempotent."""
        self._over.pop(key, None)

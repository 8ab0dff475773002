"""The deterministic random bytes of a guest: MT19937 initialised by an array of words.

Spec: contract-runtime 4.2. Python's own generator is the same MT19937, but its `seed` turns an integer
into the array of its 32-bit words, least significant first, which is exactly `init_by_array`.
"""

from __future__ import annotations

import hashlib
import random

COMMON_WORDS = (0x4C6E6547, 0x72657961)
"""Where the start message is not what keys it, and before there is one."""


class GuestRandom:
    """A stream of random bytes; requests take whole 32-bit outputs, a cut last one gives its low bytes."""

    def __init__(self, words: tuple[int, ...]) -> None:
        # A trailing zero word would be dropped by the integer form; it cannot be told apart there.
        self._generator = random.Random()  # noqa: S311 - determinism is the point
        self._generator.seed(sum(word << (32 * index) for index, word in enumerate(words)))

    @classmethod
    def from_start(cls, start_message: bytes) -> GuestRandom:
        """Keyed with the SHA3-256 of a start message."""
        digest = hashlib.sha3_256(start_message).digest()
        return cls(tuple(int.from_bytes(digest[at : at + 4], "little") for at in range(0, 32, 4)))

    def take(self, length: int) -> bytes:
        """`length` bytes."""
        words = (length + 3) // 4
        output = b"".join(self._generator.getrandbits(32).to_bytes(4, "little") for _ in range(words))
        return output[:length]

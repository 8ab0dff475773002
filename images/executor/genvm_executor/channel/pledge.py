"""What only the process that forks can say: that the `ready` after a run is its own word, not the run's.

A run that has broken out of everything holds the channel, and could itself say that the next job may come.
So each `ready` carries the hash of a secret, and the next one the secret. It is in a page that the kernel
empties in every fork, and that no fork can read in the process that forks, which is not dumpable.
"""

from __future__ import annotations

import hashlib
import mmap
import os
from pathlib import Path

from genvm_wire.records import record

SECRET_BYTES = 64
"""A whole block of the hash: no part of it is left waiting in a buffer somewhere."""
_MADV_WIPEONFORK = 18
_SOURCE = Path("/dev/urandom")


@record
class Word:
    """`proof`: the secret that the last word promised. `promise`: the hash of the next one's."""

    proof: bytes
    promise: bytes


class Pledge:
    """One secret at a time. Raises OSError where the kernel keeps no page from forks."""

    def __init__(self) -> None:
        self._page = mmap.mmap(-1, mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self._page.madvise(_MADV_WIPEONFORK)
        self._draw()

    def give(self) -> Word:
        """The word to say now. What it proves by is a secret no longer; the next one is drawn."""
        proof = self._page[:SECRET_BYTES]
        self._draw()
        with memoryview(self._page) as page:
            return Word(proof, hashlib.sha256(page[:SECRET_BYTES]).digest())

    def _draw(self) -> None:
        # Read into the page: as an object it would be in every later fork's memory.
        source = os.open(_SOURCE, os.O_RDONLY | os.O_CLOEXEC)
        try:
            with memoryview(self._page) as page:
                os.readv(source, [page[:SECRET_BYTES]])
        finally:
            os.close(source)

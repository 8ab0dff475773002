"""What a run makes its executor keep until it ends, which is beside its VMs' memory: counted, and bounded.

Counted by what a contract asks for, never by what a machine needs for it: running out of it is a result, and
the same on every node. The prices are the reference's where it has one (contract-sdk-v03 19).
"""

from __future__ import annotations

from collections.abc import Callable

from genvm_executor.machine.outcome import VmFault

MAX_KEPT = 64 * 1024 * 1024
"""Bytes of a run. Beside the memory of its VMs they have room in the smallest usual container, and a result
that holds them all fits its frame.
"""
EMISSION = 1024
"""Of a message or event, beside its payload."""
ROTATION = 128
NONDET_OUTPUT = 128
"""Of a block's result, beside its bytes."""
PACKAGE = 4096
"""Of a registered one, beside its bytes."""
WRITTEN_PAGE = 256
"""Of storage, each time that a VM writes one that it has not written yet."""
WRITTEN_SLOT = 512
"""The first page of a slot costs that besides."""


class Kept:
    """The sum of one run: what a sandbox that failed has made was made, too. `text`: the VM error."""

    def __init__(self, text: Callable[[], str]) -> None:
        self._text = text
        self._bytes = 0

    def add(self, amount: int) -> None:
        """Raises VmFault above MAX_KEPT, and nothing is kept of that then: whoever catches it can go on."""
        if self._bytes + amount > MAX_KEPT:
            detail = f"what the run emits, writes, registers and returns takes more than {MAX_KEPT} bytes"
            raise VmFault(self._text(), detail)
        self._bytes += amount

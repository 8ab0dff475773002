"""What a guest may ask of the executor, whichever way its requests travel."""

from __future__ import annotations

from typing import NoReturn, Protocol


class GuestRequests(Protocol):
    """What is below a contract library. Each raises SdkRefused, or an ExecutorEnding."""

    def storage_read(self, slot: bytes, offset: int, length: int) -> bytes: ...

    def storage_write(self, slot: bytes, offset: int, data: bytes) -> None: ...

    def storage_rights(self) -> tuple[bool, frozenset[bytes]]:
        """Whether the VM may write at all, and the slots that are locked. The same for its whole life."""

    def get_balance(self, address: bytes) -> int: ...

    def get_self_balance(self) -> int: ...

    def gl_call(self, request: bytes) -> bytes | None: ...

    def out_of_memory(self) -> NoReturn:
        """The guest's own allocator found no memory, and nothing in the contract caught that."""

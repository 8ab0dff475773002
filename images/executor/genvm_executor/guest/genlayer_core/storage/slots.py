"""Slots: the 4 GiB byte arrays that storage is made of (contract-sdk 12.1), and those in memory."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from typing_extensions import Buffer

SLOT_SIZE = 1 << 32
ID_SIZE = 32
ROOT_SLOT_ID = bytes(ID_SIZE)


def indirect_id(slot_id: bytes, offset: int) -> bytes:
    """Id of the slot that holds the variable-size content of the field at (slot, offset)."""
    return hashlib.sha3_256(slot_id + offset.to_bytes(4, "little")).digest()


class Manager(Protocol):
    """Where slots come from."""

    def slot(self, slot_id: bytes) -> Slot:
        """The slot with this 32-byte id; the same object for the same id."""

    def get_store_slot(self, slot_id: bytes | int, /) -> Slot:
        """The same under the name that contracts know; an id may be its little-endian number."""

    def do_read(self, slot_id: bytes, off: int, n: int, /) -> bytes:
        """`n` bytes from `off` of a slot."""

    def do_write(self, slot_id: bytes, off: int, data: Buffer, /) -> None:
        """Put bytes at `off` of a slot."""


class KnownToContracts:
    """A manager's calls under the names that contracts know."""

    def slot(self, slot_id: bytes) -> Slot:
        """See `Manager`."""
        raise NotImplementedError

    def get_store_slot(self, slot_id: bytes | int, /) -> Slot:
        """See `Manager`. Raises ValueError, OverflowError or TypeError for what is no id."""
        if isinstance(slot_id, int):
            return self.slot(slot_id.to_bytes(ID_SIZE, "little"))
        if not isinstance(slot_id, bytes):
            raise TypeError(f"slot_id must be u256 or bytes, got {type(slot_id)}")
        if len(slot_id) != ID_SIZE:
            raise ValueError(f"slot_id must be {ID_SIZE} bytes, got {len(slot_id)}")
        return self.slot(slot_id)

    def do_read(self, slot_id: bytes, off: int, n: int, /) -> bytes:
        """See `Manager`."""
        return self.get_store_slot(slot_id).read(off, n)

    def do_write(self, slot_id: bytes, off: int, data: Buffer, /) -> None:
        """See `Manager`."""
        self.get_store_slot(slot_id).write(off, data)


class Decoded(Protocol):
    """What somebody keeps decoded from a slot's bytes."""

    def overwritten(self, slot: Slot, off: int, n: int) -> None:
        """The `n` bytes from `off` are about to be written by somebody else."""


class Slot:
    """One slot. Ids of derived slots are computed once per object.

    `decoded` is told of every `write`; whoever keeps it uses `put`.
    """

    __slots__ = ("_derived", "decoded", "id", "manager")

    def __init__(self, manager: Manager, slot_id: bytes) -> None:
        self.manager = manager
        self.id = slot_id
        self.decoded: Decoded | None = None
        self._derived: dict[int, Slot] = {}

    def read(self, off: int, n: int) -> bytes:
        """`n` bytes from `off`; unwritten bytes are zero. Raises SystemError outside the slot."""
        raise NotImplementedError

    def number(self, off: int, n: int, signed: bool = False) -> int:
        """The little-endian integer in the `n` bytes from `off`."""
        return int.from_bytes(self.read(off, n), "little", signed=signed)

    def put(self, off: int, raw: bytes) -> None:
        """What `write` does, told to nobody."""
        raise NotImplementedError

    def write(self, off: int, data: Buffer) -> None:
        """Put bytes at `off`. Raises SystemError when the host refuses (locked slot, read-only run)."""
        raw = data if type(data) is bytes else bytes(data)
        if self.decoded is not None:
            self.decoded.overwritten(self, off, len(raw))
        self.put(off, raw)

    def keep(self, decoded: Decoded) -> None:
        """Tell `decoded` of writes from here on; whatever was told before gives up what it has."""
        if self.decoded is not None and self.decoded is not decoded:
            self.decoded.overwritten(self, 0, SLOT_SIZE)
        self.decoded = decoded

    def indirect(self, off: int) -> Slot:
        """The derived slot of the field at `off`."""
        slot = self._derived.get(off)
        if slot is None:
            slot = self._derived[off] = self.manager.slot(indirect_id(self.id, off))
        return slot

    def as_int(self) -> int:
        """The id as a little-endian integer."""
        return int.from_bytes(self.id, "little")

    def cast(self, annotation: Any, offset: int) -> Any:
        """What lies at `offset`, as a value of a storage type."""
        from .build import layout_of  # noqa: PLC0415

        return layout_of(annotation).get(self, offset)

    def __repr__(self) -> str:
        return f"Slot({self.id.hex()})"


class MemorySlot(Slot):
    """A slot of a private store."""

    __slots__ = ("data",)

    def __init__(self, manager: MemoryManager, slot_id: bytes) -> None:
        super().__init__(manager, slot_id)
        self.data = bytearray()

    def read(self, off: int, n: int) -> bytes:
        return bytes(self.data[off : off + n]).ljust(n, b"\x00")

    def put(self, off: int, raw: bytes) -> None:
        if not raw:
            return
        missing = off - len(self.data)
        if missing > 0:
            self.data += bytes(missing)
        self.data[off : off + len(raw)] = raw

    def __reduce__(self) -> tuple[Any, ...]:
        return (_memory_slot, (self.manager, self.id))


class MemoryManager(KnownToContracts):
    """A private store: records made in code, and copies of storage in memory."""

    def __init__(self) -> None:
        self._slots: dict[bytes, MemorySlot] = {}

    def slot(self, slot_id: bytes) -> MemorySlot:
        """The slot with this id, empty when it is new."""
        slot = self._slots.get(slot_id)
        if slot is None:
            slot = self._slots[slot_id] = MemorySlot(self, slot_id)
        return slot

    def __getstate__(self) -> dict[bytes, bytes]:
        return {slot_id: bytes(slot.data) for slot_id, slot in self._slots.items()}

    def __setstate__(self, state: dict[bytes, bytes]) -> None:
        self._slots = {}
        for slot_id, data in state.items():
            self.slot(slot_id).data += data


def _memory_slot(manager: MemoryManager, slot_id: bytes) -> MemorySlot:
    return manager.slot(slot_id)

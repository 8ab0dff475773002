"""An empty chain with one contract's code in it, which nothing can change: for asking it about itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from genvm_wire.address import Address
from genvm_wire.storage_layout import ROOT_FIELDS, ROOT_SLOT, code_slot
from orchestrator.node.effects import Event, Message
from orchestrator.node.stage import StageFull

NOBODY = Address(bytes(20))


@dataclass(slots=True)
class ReadOnlyStage:
    """The zero address and the content of its slots; what writes or calls out is refused."""

    calldata: bytes
    slots: Mapping[bytes, bytes]
    contract: Address = NOBODY
    leader_results: list[bytes] | None = field(default_factory=list)
    disagreement: int | None = None
    fuel_used: int = 0
    result: bytes | None = None

    def read(self, address: Address, slot: bytes, offset: int, length: int) -> bytes:
        content = self.slots.get(slot, b"") if address == self.contract else b""
        return content[offset : offset + length].ljust(length, b"\0")

    def write(self, slot: bytes, offset: int, data: bytes) -> None:
        raise StageFull

    def balance(self, address: Address) -> int:
        return 0

    def own_balance(self) -> int:
        return 0

    def emit(self, message: Message) -> None:
        raise StageFull

    def emit_event(self, event: Event) -> None:
        raise StageFull

    def note_nondet(self, call_no: int, sub_result: bytes) -> None:
        raise StageFull


def stage_with_code(code: bytes, major: int, line: str, calldata: bytes) -> ReadOnlyStage:
    """The zero address with `code` where contract line `line` keeps it."""
    slots = {code_slot(line): len(code).to_bytes(4, "little") + code}
    if (place := ROOT_FIELDS[line].major) is not None:
        slots[ROOT_SLOT] = bytes(place) + bytes((major & 0xFF,))
    return ReadOnlyStage(calldata, slots)

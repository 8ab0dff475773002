"""Where a contract keeps what, and how pages travel (contract-runtime 8, host-protocol 7)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import sha3_256
from types import MappingProxyType
from typing import Final

from genvm_wire.records import record

PAGE_SIZE: Final = 32
SLOT_SIZE: Final = 32
KEY_SIZE: Final = 36
SLOT_BYTES: Final = 1 << 32
ROOT_SLOT: Final = bytes(SLOT_SIZE)


class LayoutError(ValueError):
    """A storage key or page run of the wrong shape."""


def indirect(slot: bytes, offset: int) -> bytes:
    """The slot derived from byte `offset` of `slot` (section 8.1; FIPS-202 SHA3)."""
    return sha3_256(slot + offset.to_bytes(4, "little")).digest()


@record
class RootFields:
    """Byte offsets in the root slot (section 8.2); null where the line has no such field."""

    contract: int
    code: int
    locked_slots: int
    upgraders: int
    major: int | None = None
    code_slot: int | None = None
    permissions: int | None = None


ROOT_FIELDS: Final[Mapping[str, RootFields]] = MappingProxyType(
    {
        "v0.2": RootFields(contract=0, code=1, locked_slots=2, upgraders=3),
        "v0.3": RootFields(
            contract=1, code=2, locked_slots=3, upgraders=4, major=0, code_slot=5, permissions=37
        ),
    }
)


def contract_slot(line: str) -> bytes:
    """The slot of the contract instance."""
    return indirect(ROOT_SLOT, ROOT_FIELDS[line].contract)


def code_slot(line: str) -> bytes:
    """The slot that holds u32le length and the code, unless the root names another (v0.3)."""
    return indirect(ROOT_SLOT, ROOT_FIELDS[line].code)


def locked_slots_slot(line: str) -> bytes:
    """The slot that holds u32le count and the ids of read-only slots."""
    return indirect(ROOT_SLOT, ROOT_FIELDS[line].locked_slots)


def upgraders_slot(line: str) -> bytes:
    """The slot that holds u32le count and the addresses that may write locked slots."""
    return indirect(ROOT_SLOT, ROOT_FIELDS[line].upgraders)


def page_key(slot: bytes, index: int) -> bytes:
    """A key of `storage_changes`: slot and page index, big-endian."""
    return slot + index.to_bytes(4, "big")


def split_page_key(key: bytes) -> tuple[bytes, int]:
    """Slot and page index. Raises LayoutError."""
    if len(key) != KEY_SIZE:
        raise LayoutError(f"a page key is {KEY_SIZE} bytes, not {len(key)}")
    return key[:SLOT_SIZE], int.from_bytes(key[SLOT_SIZE:], "big")


def merge_pages(pages: Mapping[tuple[bytes, int], bytes]) -> list[tuple[bytes, bytes]]:
    """`storage_changes` of whole pages by (slot, index): sorted, runs of adjacent pages joined."""
    merged: list[tuple[bytes, bytearray]] = []
    following: tuple[bytes, int] | None = None
    for slot, index in sorted(pages):
        if (slot, index) != following:
            merged.append((page_key(slot, index), bytearray()))
        merged[-1][1].extend(pages[slot, index])
        following = (slot, index + 1)
    return [(key, bytes(content)) for key, content in merged]


def split_change(key: bytes, value: bytes) -> Iterator[tuple[bytes, int, bytes]]:
    """The pages of one `storage_changes` entry: slot, page index, 32 bytes. Raises LayoutError."""
    slot, index = split_page_key(key)
    if not value or len(value) % PAGE_SIZE:
        raise LayoutError(f"{len(value)} bytes are not whole pages")
    if (index * PAGE_SIZE) + len(value) > SLOT_BYTES:
        raise LayoutError("pages reach past the end of the slot")
    for at in range(0, len(value), PAGE_SIZE):
        yield slot, index + at // PAGE_SIZE, value[at : at + PAGE_SIZE]


def pre_deploy_writes(code: bytes, line: str = "v0.2") -> tuple[tuple[bytes, bytes], tuple[bytes, bytes]]:
    """What a generation A node stores before a deployment (manager-api 3.9), by the contract's line.

    Keys are slot and **byte offset, little-endian**; do not mix them up with page keys.
    """
    slot = code_slot(line)
    return (
        (slot + (0).to_bytes(4, "little"), len(code).to_bytes(4, "little")),
        (slot + (4).to_bytes(4, "little"), code),
    )


def split_write_key(key: bytes) -> tuple[bytes, int]:
    """Slot and byte offset of a pre-deploy write. Raises LayoutError."""
    if len(key) != KEY_SIZE:
        raise LayoutError(f"a write key is {KEY_SIZE} bytes, not {len(key)}")
    return key[:SLOT_SIZE], int.from_bytes(key[SLOT_SIZE:], "little")

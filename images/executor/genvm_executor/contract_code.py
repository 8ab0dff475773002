"""Where a contract's code is kept: u32 length and that many bytes (contract-runtime.md, 1)."""

from __future__ import annotations

from genvm_executor.outcome import VmFault
from genvm_executor.storage_view import Readable, WrittenStorage
from genvm_wire.storage_layout import ROOT_FIELDS, ROOT_SLOT, SLOT_SIZE, code_slot

MAX_CODE = 64 * 1024 * 1024
MAJOR_OFFSET = 0


def absent_text(contract_line: str) -> str:
    """The VM error of an account without code."""
    return (
        "invalid_contract absent_runner_comment"
        if contract_line == "v0.2"
        else "invalid_contract runner absent"
    )


def read_code(storage: Readable, contract_line: str) -> bytes:
    """The code of a contract. Raises VmFault when there is none or more than MAX_CODE bytes."""
    slot = code_slot(contract_line)
    if (at := ROOT_FIELDS[contract_line].code_slot) is not None:
        named = storage.read(ROOT_SLOT, at, SLOT_SIZE)
        slot = named if any(named) else slot
    length = int.from_bytes(storage.read(slot, 0, 4), "little")
    if length == 0:
        raise VmFault(absent_text(contract_line), "there is no contract at this address")
    if length > MAX_CODE:
        raise VmFault("invalid_contract", f"the code has {length} bytes; {MAX_CODE} are allowed")
    return storage.read(slot, 4, length)


def stored_major(storage: Readable) -> int:
    """The major that a v0.3 contract was deployed for (section 8.2)."""
    return storage.read(ROOT_SLOT, MAJOR_OFFSET, 1)[0]


def check_major(storage: Readable, contract_line: str, own: int) -> None:
    """Raises VmFault when a contract was deployed for another major than this executor's."""
    if contract_line != "v0.2" and stored_major(storage) != own:
        raise VmFault("invalid_contract major_mismatch")


def store_code(storage: WrittenStorage, contract_line: str, code: bytes, major: int) -> None:
    """What a deployment writes where the node does not (T15b and later)."""
    if contract_line != "v0.2" and major:
        storage.write(ROOT_SLOT, MAJOR_OFFSET, bytes((major,)))
    storage.write(code_slot(contract_line), 0, len(code).to_bytes(4, "little") + code)

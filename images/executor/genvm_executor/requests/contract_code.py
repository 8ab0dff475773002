"""Where a contract's code is kept: u32 length and that many bytes (contract-runtime 1)."""

from __future__ import annotations

from genvm_executor.lines import ContractLine
from genvm_executor.machine.outcome import VmFault
from genvm_executor.requests.storage_view import Readable, WrittenStorage
from genvm_wire.storage_layout import ROOT_FIELDS, ROOT_SLOT, SLOT_SIZE, code_slot

MAX_CODE = 64 * 1024 * 1024
MAJOR_OFFSET = 0


def read_code(storage: Readable, line: ContractLine, slot: bytes | None = None) -> bytes:
    """The code of a contract, in `slot` or where it keeps it.

    Raises VmFault when there is none or more than MAX_CODE bytes.
    """
    slot = slot or _own_slot(storage, line)
    length = int.from_bytes(storage.read(slot, 0, 4), "little")
    if length == 0:
        raise VmFault(line.texts.absent_code, "there is no contract at this address")
    if length > MAX_CODE:
        raise VmFault("invalid_contract", f"the code has {length} bytes; {MAX_CODE} are allowed")
    return storage.read(slot, 4, length)


def _own_slot(storage: Readable, line: ContractLine) -> bytes:
    if (at := ROOT_FIELDS[line.name].code_slot) is not None:
        named = storage.read(ROOT_SLOT, at, SLOT_SIZE)
        if any(named):
            return named
    return code_slot(line.name)


def stored_major(storage: Readable) -> int:
    """The major that a v0.3 contract was deployed for (section 8.2)."""
    return storage.read(ROOT_SLOT, MAJOR_OFFSET, 1)[0]


def check_major(storage: Readable, line: ContractLine, own: int) -> None:
    """Raises VmFault when a contract was deployed for another major than this executor's."""
    if line.has_majors and stored_major(storage) != own:
        raise VmFault("invalid_contract major_mismatch")


def store_code(storage: WrittenStorage, line: ContractLine, code: bytes, major: int) -> None:
    """What a deployment writes where the node does not (T15b and later)."""
    if line.has_majors and major:
        storage.write(ROOT_SLOT, MAJOR_OFFSET, bytes((major,)))
    storage.lay(code_slot(line.name), len(code).to_bytes(4, "little") + code)

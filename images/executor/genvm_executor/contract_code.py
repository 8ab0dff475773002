"""Where a contract's code is kept: u32 length and that many bytes (contract-runtime.md, 1)."""

from __future__ import annotations

from genvm_executor.outcome import VmFault
from genvm_executor.storage_view import Readable, WrittenStorage
from genvm_wire.storage_layout import code_slot

MAX_CODE = 64 * 1024 * 1024


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
    if contract_line != "v0.2":
        named = storage.read(bytes(32), 5, 32)
        slot = named if any(named) else slot
    length = int.from_bytes(storage.read(slot, 0, 4), "little")
    if length == 0:
        raise VmFault(absent_text(contract_line))
    if length > MAX_CODE:
        raise VmFault("invalid_contract")
    return storage.read(slot, 4, length)


def store_code(storage: WrittenStorage, contract_line: str, code: bytes) -> None:
    """What a deployment writes where the node does not (T15b and later)."""
    storage.write(code_slot(contract_line), 0, len(code).to_bytes(4, "little") + code)

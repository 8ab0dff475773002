"""Which line serves a contract, where the job leaves it to the contract (docs/instance-protocol.md).

Storage decides by where the later line keeps its code, and by that alone: what lies where the first line
keeps its own may be a later contract's data, written by anybody.
"""

from __future__ import annotations

from genvm_executor.lines import LINES, ContractLine
from genvm_executor.requests.contract_code import MAX_CODE
from genvm_executor.requests.run_state import RunState
from genvm_executor.requests.storage_view import Readable
from genvm_wire.contract_lines import line_of_code
from genvm_wire.contract_package import MARKERS
from genvm_wire.host_tables import Channel, StorageView
from genvm_wire.line_rules import LATER_LINE, OLD_LINE
from genvm_wire.storage_layout import ROOT_FIELDS, ROOT_SLOT, SLOT_SIZE, code_slot
from genvm_wire.wasm_sections import WASM_MAGIC

_LENGTH = 4
_BEGINNINGS = (*(marker.encode() for marker in MARKERS), WASM_MAGIC, b"PK\x03\x04")
_LONGEST = max(map(len, _BEGINNINGS))


def settle_line(run: RunState) -> bool:
    """Make the job one of the contract's line; whether it has become one. Raises HostRefused, HostLost."""
    job = run.job
    if not job.other_lines:
        return False
    if job.message.is_init and run.node.table.code is not Channel.STORAGE:
        found = None if job.code is None else line_of_code(job.code)
    else:
        # Where it writes, the locked slots are read next, at the same place.
        view = StorageView.DEFAULT if "w" in job.permissions else run.own_view
        found = line_of(run.storage_of(job.message.contract, view))
    version = job.other_lines.get(found or "")
    if found is None or version is None:
        return False
    run.job = job.turned_to(LINES[found], version)
    run.log.add("info", f"the contract is of line {found}: served as {version}")
    return True


def foreign_line(storage: Readable, own: ContractLine) -> str | None:
    """The line of a contract that is not of the line of whoever asks; None where it is, or is not there."""
    if own.name != LATER_LINE:
        return line_of(storage)
    if _begins_at(storage, code_slot(LATER_LINE)) or _code_is_elsewhere(storage):
        return None
    return OLD_LINE if _begins_at(storage, code_slot(OLD_LINE)) else None


def _begins_at(storage: Readable, slot: bytes) -> bool:
    """Whether there is a package's length and beginning."""
    head = storage.read(slot, 0, _LENGTH + _LONGEST)
    length = int.from_bytes(head[:_LENGTH], "little")
    return 0 < length <= MAX_CODE and head[_LENGTH:].startswith(_BEGINNINGS)


def line_of(storage: Readable) -> str | None:
    """The line of a contract that is there already; None where it is of the first, or says nothing."""
    slot = code_slot(LATER_LINE)
    length = int.from_bytes(storage.read(slot, 0, _LENGTH + _LONGEST)[:_LENGTH], "little")
    if length == 0:
        return LATER_LINE if _code_is_elsewhere(storage) else None
    if not _begins_at(storage, slot):
        return None
    found = line_of_code(storage.read(slot, _LENGTH, length))
    return found if found == LATER_LINE else None


def _code_is_elsewhere(storage: Readable) -> bool:
    """The first line leaves the root slot empty."""
    at = ROOT_FIELDS[LATER_LINE].code_slot
    assert at is not None
    return any(storage.read(ROOT_SLOT, at, SLOT_SIZE))

"""Numbers and names shared with the host (contract-sdk-v03 4, 14.1 and 16.3)."""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import Final, NamedTuple


class ResultCode(IntEnum):
    """First byte of a sub-VM result."""

    RETURN = 0
    USER_ERROR = 1
    VM_ERROR = 2


class StorageView(IntEnum):
    """Which state a view call reads."""

    DEFAULT = 0
    LATEST_FINALIZED = 1
    LATEST_DECIDED = 2


class EntryKind(IntEnum):
    """Why this VM was started."""

    MAIN = 0
    SANDBOX = 1
    CONSENSUS_STAGE = 2


class Permissions(IntEnum):
    """Bit numbers in the root slot."""

    CAN_USE_BALANCE_FOR_MESSAGE_FEES = 1


class SpecialMethod(StrEnum):
    """Method names that are not looked up in the contract."""

    GET_SCHEMA = "#get-schema"
    ERRORED_MESSAGE = "#error"


class RootOffsets(NamedTuple):
    """Where the root slot has its fields; contracts know them in capitals."""

    major: int
    contract_instance: int
    code: int
    locked_slots: int
    upgraders: int
    code_slot: int
    permissions: int

    def __getattr__(self, name: str) -> int:
        field = "contract_instance" if name == "CONTRACT" else name.lower()
        if not name.isupper() or field not in self._fields:
            raise AttributeError(f"the root slot has no field {name!r}")
        return int(getattr(self, field))


root_offsets: Final = RootOffsets(0, 1, 2, 3, 4, 5, 37)
EVENT_MAX_TOPICS: Final = 4

_TREE: dict[str, object] = {
    "timeout": None,
    "malformed_entry": None,
    "forbidden": None,
    "leader_fault": {"nondet_output": ("absent", "malformed", "uses_this_error", "extra")},
    "exit_code": None,
    "wasm_trap": (
        *("unreachable", "stack_overflow", "memory_out_of_bounds", "table_out_of_bounds"),
        *("indirect_call_to_null", "bad_signature", "integer_overflow", "integer_divide_by_zero"),
        *("bad_conversion_to_integer", "heap_misaligned", "atomic_wait_non_shared_memory", "out_of_fuel"),
        *("interrupt", "nondet_instruction", "fault"),
    ),
    "out_of": {
        "memory": ("wasm_memory", "wasm_table"),
        "storage": None,
        "subvm_recursion": None,
        "nondet_blocks": None,
        "locked_slots": None,
        "upgraders": None,
        "fds": None,
        "receipt": ("nondet_output", "event", "message"),
        "message_fee": ("total", "allocation_budget"),
    },
    "fee": ("no_matching_allocation", "below_minimum", "too_many_rounds"),
    "evm": ("reverted",),
    "invalid_contract": {
        "not_utf8_text": None,
        "major_mismatch": None,
        "runner": ("absent", "malformed"),
        "wasm": ("validating", "linking", "entrypoint"),
    },
}


class VmErrorCode:
    """A code, and those that continue it: `VmError.out_of().memory()`; `str` gives the text."""

    def __init__(self, text: str, below: object = None) -> None:
        self._text = text
        self._below = dict.fromkeys(below) if isinstance(below, tuple) else below or {}

    def __getattr__(self, name: str) -> object:
        below = self.__dict__["_below"]
        if name not in below:
            raise AttributeError(f"the VM error `{self._text}` has no {name!r}")
        return lambda: VmErrorCode(f"{self._text} {name}", below[name])

    def val_i32(self, number: int) -> VmErrorCode:
        """With a number behind it."""
        return VmErrorCode(f"{self._text} {number}")

    def val_str(self, text: str) -> VmErrorCode:
        """With a text behind it."""
        return VmErrorCode(f"{self._text} {text}")

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"VmError({self._text!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, VmErrorCode) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)


class _Codes(type):
    def __getattr__(cls, name: str) -> object:
        if name not in _TREE:
            raise AttributeError(f"there is no VM error {name!r}")
        return lambda: VmErrorCode(name, _TREE[name])


class VmError(metaclass=_Codes):
    """Builders of VM errors' texts: `str(VmError.exit_code().val_i32(3))`."""

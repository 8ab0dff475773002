"""Numbers and names shared with the host (contract-sdk 4)."""

from enum import IntEnum, StrEnum


class ResultCode(IntEnum):
    """First byte of a sub-VM result."""

    RETURN = 0
    USER_ERROR = 1
    VM_ERROR = 2
    INTERNAL_ERROR = 3


class StorageType(IntEnum):
    """Which state a view call reads."""

    DEFAULT = 0
    LATEST_FINAL = 1
    LATEST_NON_FINAL = 2


class EntryKind(IntEnum):
    """Why this VM was started."""

    MAIN = 0
    SANDBOX = 1
    CONSENSUS_STAGE = 2


class SpecialMethod(StrEnum):
    """Method names that are not looked up in the contract."""

    GET_SCHEMA = "#get-schema"
    ERRORED_MESSAGE = "#error"


EVENT_MAX_TOPICS = 4
CODE_SLOT_OFFSET = 1
ABSENT_VERSION = "v0.1.0"

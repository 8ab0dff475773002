"""How a VM ends, and the exceptions that carry an ending out of a guest.

ExecutorEnding
├── GuestReturned     a terminal request: Return, Rollback, UserError
├── VmFault           the VM ends with a VM error
├── RunCancelled      the whole run ends with the VM error `timeout`
└── RunBroken         the whole run ends with an internal error
"""

from __future__ import annotations

from genvm_executor.host.internal_errors import Cause
from genvm_wire.records import record
from genvm_wire.results import ResultCode


class ExecutorEnding(Exception):
    """Root of what ends a VM from inside a host function."""


@record
class VmOutcome:
    """The end of one VM. `payload`: calldata of the value for a Return, UTF-8 text otherwise (v0.3: a user
    error is calldata too)."""

    code: ResultCode
    payload: bytes

    @property
    def is_return(self) -> bool:
        return self.code == ResultCode.RETURN

    def sub_result(self) -> bytes:
        """The form in which a calling VM or a node reads it (contract-runtime 6.1)."""
        return bytes([self.code]) + self.payload


RETURN_NULL = VmOutcome(ResultCode.RETURN, b"\x00")


def vm_error(text: str) -> VmOutcome:
    return VmOutcome(ResultCode.VM_ERROR, text.encode("utf-8", "replace"))


class GuestReturned(ExecutorEnding):
    """A terminal request; nothing that the guest does after it counts."""

    def __init__(self, outcome: VmOutcome) -> None:
        super().__init__(outcome.code.name)
        self.outcome = outcome


class VmFault(ExecutorEnding):
    """The VM ends with this VM error. `detail` is for people: log and stderr show it, results never do."""

    def __init__(self, text: str, detail: str = "") -> None:
        super().__init__(text)
        self.text = text
        self.detail = detail


class RunCancelled(ExecutorEnding):
    """The run was cancelled or its deadline came."""


class RunBroken(ExecutorEnding):
    """The run cannot go on through no fault of the contract; the text says why, `cause` in codes."""

    def __init__(self, text: str, cause: Cause) -> None:
        super().__init__(text)
        self.text = text
        self.cause = cause

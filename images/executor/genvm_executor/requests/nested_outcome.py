"""What a callee of another line came to, as its caller's line says it (contract-sdk-v03 21)."""

from __future__ import annotations

from genvm_executor.host.internal_errors import UNEXPECTED, Cause
from genvm_executor.lines import ContractLine
from genvm_executor.machine.outcome import RunBroken, VmOutcome, vm_error
from genvm_wire.calldata import decode, encode
from genvm_wire.instance_messages import Nested
from genvm_wire.results import ResultCode


def nested_outcome(answer: Nested, line: ContractLine) -> VmOutcome:
    """User errors are values in the later line and texts in the first. Raises RunBroken."""
    data = decode(answer.value)
    match answer.result:
        case "Return":
            return VmOutcome(ResultCode.RETURN, encode(data))
        case "UserError" if line.user_errors_are_values:
            return VmOutcome(ResultCode.USER_ERROR, encode(data))
        case "UserError":
            text = data if isinstance(data, str) else encode(data).hex()
            return VmOutcome(ResultCode.USER_ERROR, text.encode("utf-8", "replace"))
        case "VmError" | "FatalVmError":
            return vm_error(str(data))
    raise RunBroken(f"the call of a contract of another line failed: {data!s:.500}", Cause((UNEXPECTED,)))

"""Results of non-deterministic blocks as a leader gave them.

Spec: host-protocol 9; contract-runtime 10.
"""

from __future__ import annotations

from hashlib import sha3_256

from genvm_executor.lines import ContractLine
from genvm_executor.machine.outcome import VmFault, VmOutcome
from genvm_executor.requests.run_state import RunState
from genvm_wire import gvm32
from genvm_wire.host_tables import Channel, ResultForm
from genvm_wire.results import ResultCode, ResultError, parse_sub_result

ABSENT = {
    ResultForm.B2: "absent",
    ResultForm.B3: "absent_leader_nondet_output",
    ResultForm.C: "leader_fault nondet_output absent",
}
"""The VM error when there are fewer results than blocks; on earlier tables the node says so itself."""
MALFORMED = "leader_fault nondet_output malformed"
MARK_LENGTH = 6


def leader_result(run: RunState, call_no: int) -> bytes | None:
    """What the leader got in this block; None when this run is the leader.

    Raises VmFault, HostRefused, HostLost.
    """
    if run.node.table.leader_nondet_results is Channel.HOST:
        return run.node.get_leader_nondet_result(call_no)
    results = run.job.leader_nondet_results
    if results is None:
        return None
    if call_no >= len(results):
        raise VmFault(ABSENT[run.node.table.result_form])
    return results[call_no]


def outcome_of(sub_result: bytes, line: ContractLine) -> VmOutcome:
    """A leader's result as an outcome. Raises VmFault when it is malformed; up to v0.2 contracts see more."""
    if not sub_result or sub_result[0] > ResultCode.VM_ERROR:
        raise VmFault(MALFORMED)
    if line.checks_leader_results:
        try:
            parse_sub_result(sub_result, line.name)
        except ResultError:
            raise VmFault(MALFORMED) from None
    return VmOutcome(ResultCode(sub_result[0]), sub_result[1:])


def surplus_fault(run: RunState) -> str | None:
    """The VM error of a run whose leader gave more results than there are blocks; generation C has one."""
    results = run.job.leader_nondet_results
    if results is None or run.node.table.result_form is not ResultForm.C or run.next_call >= len(results):
        return None
    return f"leader_fault nondet_output extra {_mark(results[run.next_call])}"


def _mark(result: bytes) -> str:
    bits = int.from_bytes(sha3_256(result).digest()[:4], "big") >> 2
    return "".join(gvm32.ALPHABET[bits >> shift & 31] for shift in range(25, -1, -5))[:MARK_LENGTH]

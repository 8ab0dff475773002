"""From an outcome to what the node and the manager get (spec: host-protocol 8)."""

from __future__ import annotations

from genvm_executor.host import HostClient, HostLost, HostRefused
from genvm_executor.lines import ContractLine
from genvm_executor.machine.outcome import VmOutcome, vm_error
from genvm_executor.requests.emissions import (
    DeployContract,
    Emission,
    EmitEvent,
    EthSend,
    PostMessage,
    emission_map,
)
from genvm_executor.requests.run_state import RunState
from genvm_executor.requests.vm_frame import VmFrame
from genvm_wire.calldata import Value, decode, encode
from genvm_wire.host_tables import Channel, Ending, ResultForm, ResultReader
from genvm_wire.records import record
from genvm_wire.results import ResultCode, RunResult, build
from genvm_wire.storage_layout import PAGE_SIZE, page_key


@record
class Delivered:
    """`payload` begins with the result code. `acknowledged`: the node has it."""

    code: ResultCode
    payload: bytes
    acknowledged: bool


def deliver(run: RunState, frame: VmFrame | None, outcome: VmOutcome) -> Delivered:
    """Hand over effects and result as the host table says; effects count only for a Return.

    The node of a nested run hears nothing of it: it has its caller's.

    `frame` is null when no VM could be set up. Raises HostLost when the node is gone before it got the
    effects; later it only means that the result was not acknowledged.
    """
    alone = run.job.nested is None
    if alone and outcome.is_return and frame is not None:
        outcome = _hand_over_effects(run.node, frame, outcome)
    result = _run_result(run, frame, outcome)
    payload = build(result, run.node.table.result_form, later_names=run.job.later_names)
    acknowledged = False
    try:
        if alone and run.node.table.result_reader is ResultReader.NODE:
            run.node.consume_result(payload)
            acknowledged = True
        if alone and run.node.table.ending is Ending.NOTIFY_FINISHED:
            run.node.notify_finished()
    except HostLost as lost:
        run.log.add("warn", f"the node did not take the end of the run: {lost}")
    return Delivered(ResultCode(payload[0]), payload, acknowledged)


def _hand_over_effects(node: HostClient, frame: VmFrame, outcome: VmOutcome) -> VmOutcome:
    try:
        if node.table.storage_writes is Channel.HOST:
            for slot, index, data in frame.storage.runs():
                node.storage_write(slot, index * PAGE_SIZE, data)
        for emission in frame.emissions:
            _hand_over(node, emission)
    except HostRefused as refused:
        return vm_error(refused.vm_error_text)
    return outcome


def _hand_over(node: HostClient, emission: Emission) -> None:
    match emission:
        case EmitEvent(topics, blob):
            if node.table.events is Channel.HOST:
                node.post_event(topics, encode(blob))
        case _ if node.table.messages is not Channel.HOST:
            return
        case PostMessage(address, calldata, value, on):
            node.post_message(address, encode(calldata), value=value, on=on)
        case DeployContract(calldata, code, value, on, salt):
            node.deploy_contract(encode(calldata), code, value=value, salt_nonce=salt, on=on)
        case EthSend(address, data, value):
            node.eth_send(address, data, value=value)


def _run_result(run: RunState, frame: VmFrame | None, outcome: VmOutcome) -> RunResult:
    data = _data(run.job.line, outcome)
    common = {
        "nondet_results": tuple(run.nondet_results),
        "nondet_disagreement": run.nondet_disagreement,
        "data_fees_remaining": run.job.fee_buckets,
        "llm_consumption": run.modules.consumed,
    }
    if frame is None or not outcome.is_return:
        return RunResult(code=outcome.code, data=data, **common)  # type: ignore[arg-type]
    emissions = frame.emissions
    return RunResult(
        code=outcome.code,
        data=data,
        storage_changes=tuple((page_key(slot, index), data) for slot, index, data in frame.storage.runs()),
        events=tuple((*e.topics, encode(e.blob)) for e in emissions if isinstance(e, EmitEvent)),
        emissions=tuple(_emission_maps(run, emissions)),
        **common,  # type: ignore[arg-type]
    )


def _emission_maps(run: RunState, emissions: list[Emission]) -> list[Value]:
    newest = run.node.table.result_form is ResultForm.C
    maps = [emission_map(one, run.job.line, balance_pays_fees=newest) for one in emissions]
    return maps  # type: ignore[return-value]


def _data(line: ContractLine, outcome: VmOutcome) -> Value:
    if outcome.is_return or (outcome.code is ResultCode.USER_ERROR and line.user_errors_are_values):
        return decode(outcome.payload)
    return outcome.payload.decode("utf-8", "replace")

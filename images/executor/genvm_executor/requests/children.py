"""VMs inside a VM: view calls, sandboxes, non-deterministic blocks.

Spec: contract-runtime 6.3; host-protocol 9.
"""

from __future__ import annotations

from collections.abc import Callable

from genvm_executor.host.internal_errors import UNEXPECTED, Cause
from genvm_executor.machine.engine import MAX_VM_DEPTH
from genvm_executor.machine.outcome import RunBroken, VmFault, VmOutcome, vm_error
from genvm_executor.requests.contract_code import read_code, stored_major
from genvm_executor.requests.kept import NONDET_OUTPUT
from genvm_executor.requests.leader_results import leader_result, outcome_of
from genvm_executor.requests.line_choice import foreign_line
from genvm_executor.requests.nested_outcome import nested_outcome
from genvm_executor.requests.run_state import RunState
from genvm_executor.requests.storage_view import WrittenStorage
from genvm_executor.requests.vm_frame import EntryKind, Rights, Start, VmEntry, VmFrame
from genvm_wire.address import Address
from genvm_wire.calldata import Value
from genvm_wire.host_tables import Channel, Method, StorageView
from genvm_wire.instance_messages import Nest
from genvm_wire.records import replace
from genvm_wire.results import ResultCode

AGREED = bytes([ResultCode.RETURN]) + b"\x10"
"""A validator agrees by returning exactly boolean true."""


class ChildVms:
    """`execute` runs one VM and answers with its outcome."""

    def __init__(self, run: RunState, execute: Callable[[VmFrame], VmOutcome]) -> None:
        self._run = run
        self._execute = execute

    def call_contract(
        self, caller: VmFrame, address: Address, calldata: bytes, state: int, *, catch: bool
    ) -> bytes:
        """Raises VmFault when the callee ends with a VM error that is not to be delivered."""
        line = self._run.job.line
        inherited = caller.view if line.views_are_inherited else StorageView.DEFAULT
        view = state or inherited or StorageView.LATEST_NON_FINAL
        route = self._route(address, view)
        if route is not None:
            outcome = self._run_elsewhere(caller, address, calldata, view, route)
            return self._deliver(outcome, catch=catch)
        storage = self._run.storage_of(address, view)
        try:
            code = read_code(storage, line)
        except VmFault as fault:
            if not self._is_delivered(catch=catch):
                raise
            return vm_error(fault.text).sub_result()
        rights = replace(
            caller.rights,
            write=False,
            send=caller.rights.send and line.callees_keep_rights,
            nondet=caller.rights.nondet and line.callees_keep_rights,
        )
        child = VmFrame(
            contract=address,
            code=code,
            entry=VmEntry(EntryKind.MAIN, calldata),
            rights=rights,
            storage=WrittenStorage(storage, self._run.budget),
            is_init=False,
            value=0,
            stack=(*caller.stack, caller.contract),
            depth=caller.depth + 1,
            view=view,
        )
        return self._deliver(self._run_child(caller, child), catch=catch)

    def _route(self, address: Address, view: int) -> str | bytes | None:
        """Who serves a call, where it is not this executor: the callee's line, or what the node says.

        Raises RunBroken when the node names one and the manager knows of no nested runs.
        """
        job, node = self._run.job, self._run.node
        storage = self._run.storage_of(address, view)
        if job.asks_for_routes and Method.RESOLVE_EXECUTOR in node.table.methods:
            major = stored_major(storage) if job.line.has_majors else 0
            named = node.resolve_executor(address, view, major)
            if named is not None and job.nests is None:
                raise RunBroken(
                    f"the node wants another executor to serve the call of {address}; "
                    "the manager does not provide runs inside runs (RUN_NESTED)",
                    Cause((UNEXPECTED,)),
                )
            if named is not None:
                return named
        return None if job.nests is None else foreign_line(storage, job.line)

    def _run_elsewhere(
        self, caller: VmFrame, address: Address, calldata: bytes, view: int, route: str | bytes
    ) -> VmOutcome:
        """Have another executor serve a call (host-protocol 10). Raises RunBroken, RunCancelled."""
        run = self._run
        if not run.job.nests or run.nesting is None:
            raise VmFault(run.job.line.texts.too_deep)
        run.nested_calls += 1
        answer = run.nesting.ask(
            Nest(
                run=run.job.run,
                call=run.nested_calls,
                route=route,
                message=run.job.message.to_callee(address),
                calldata=calldata,
                view=view,
                stack=(*caller.stack, caller.contract),
                may_call=caller.rights.call,
            )
        )
        return nested_outcome(answer, run.job.line)

    def sandbox(self, caller: VmFrame, data: bytes, start: Start, *, write: bool, send: bool) -> bytes:
        """A VM error is delivered; what a sandbox did counts only when it returned."""
        rights = replace(
            caller.rights,
            write=caller.rights.write and write,
            send=caller.rights.send and send,
            call=False,
            nondet=False,
        )
        child = self._inner(caller, VmEntry(EntryKind.SANDBOX, data), start, rights)
        return self._run_child(caller, child).sub_result()

    def run_nondet(
        self, caller: VmFrame, leader: bytes, validator: bytes, start: Start, *, catch: bool
    ) -> bytes:
        """The leader's result, own or given. Raises VmFault when that is a VM error that is not delivered."""
        call_no = self._run.next_call
        self._run.next_call += 1
        given = leader_result(self._run, call_no)
        if given is None:
            outcome = self._stage(caller, start, leader, None)
            own = outcome.sub_result()
            if (kept := self._kept(own)) is not own:
                outcome = outcome_of(kept, self._run.job.line)
            self._publish(call_no, kept)
            return self._deliver(outcome, catch=catch)
        if not self._run.job.is_sync:
            verdict = self._stage(caller, start, validator, given)
            if verdict.sub_result() != AGREED:
                self._disagree(call_no)
        return self._deliver(outcome_of(self._kept(given), self._run.job.line), catch=catch)

    def _inner(self, caller: VmFrame, entry: VmEntry, start: Start, rights: Rights) -> VmFrame:
        return VmFrame(
            contract=caller.contract,
            code=start.code,
            depends=start.depends,
            custom_runners=start.custom_runners,
            entry=entry,
            rights=rights,
            storage=WrittenStorage(caller.storage, self._run.budget),
            is_init=False,
            value=caller.value,
            stack=caller.stack,
            depth=caller.depth + 1,
            view=caller.view,
        )

    def _stage(self, caller: VmFrame, start: Start, data: bytes, leader_result: bytes | None) -> VmOutcome:
        keys = self._run.job.line.stage_keys
        stage: Value = None if leader_result is None else dict.fromkeys(keys, leader_result)
        rights = Rights(deterministic=False, write=False, send=False, call=False, nondet=False)
        entry = VmEntry(EntryKind.CONSENSUS_STAGE, data, stage)
        return self._run_child(caller, self._inner(caller, entry, start, rights))

    def _run_child(self, caller: VmFrame, child: VmFrame) -> VmOutcome:
        if child.depth > MAX_VM_DEPTH:
            raise VmFault(self._run.job.line.texts.too_deep)
        outcome = self._execute(child)
        if outcome.is_return:
            caller.emissions.extend(child.emissions)
            caller.sent += child.sent
            if child.rights.write:
                caller.storage.merge_from(child.storage)
        else:
            self._run.sent -= child.sent
        return outcome

    def _publish(self, call_no: int, result: bytes) -> None:
        if self._run.node.table.nondet_results is Channel.HOST:
            self._run.node.post_nondet_result(call_no, result)

    def _kept(self, result: bytes) -> bytes:
        """A block's result, or the VM error that there is no room for it: the other nodes read what the
        leader goes on with, and would find none."""
        try:
            self._keep(result)
        except VmFault as full:
            result = vm_error(full.text).sub_result()
            try:
                self._keep(result)
            except VmFault:
                self._run.nondet_results.append(result)
        return result

    def _keep(self, result: bytes) -> None:
        self._run.kept.add(NONDET_OUTPUT + len(result))
        self._run.nondet_results.append(result)

    def _disagree(self, call_no: int) -> None:
        """Report the lowest disagreeing block, once."""
        if self._run.nondet_disagreement is None:
            self._run.nondet_disagreement = call_no
            self._run.node.notify_nondet_disagreement(call_no)

    def _is_delivered(self, *, catch: bool) -> bool:
        return catch and self._run.job.line.vm_errors_are_delivered

    def _deliver(self, outcome: VmOutcome, *, catch: bool) -> bytes:
        if outcome.code == ResultCode.VM_ERROR and not self._is_delivered(catch=catch):
            raise VmFault(outcome.payload.decode("utf-8", "replace"))
        return outcome.sub_result()

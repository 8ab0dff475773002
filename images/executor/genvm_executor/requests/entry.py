"""From a job to the VM that serves it (spec: contract-runtime 1)."""

from __future__ import annotations

from genvm_executor.channel.job import Job
from genvm_executor.entry_payload import is_entry, with_method_at
from genvm_executor.lines import ContractLine
from genvm_executor.machine.outcome import VmFault
from genvm_executor.requests.contract_code import check_major, read_code, store_code
from genvm_executor.requests.line_choice import settle_line
from genvm_executor.requests.run_state import RunState
from genvm_executor.requests.storage_view import WrittenStorage
from genvm_executor.requests.vm_frame import EntryKind, Rights, VmEntry, VmFrame
from genvm_wire import contract_package
from genvm_wire.host_tables import Channel, HostTable, StorageView

MAX_MAJOR = 255


def entry_frame(run: RunState) -> VmFrame:
    """Read what a run starts from. Raises VmFault, HostRefused, HostLost."""
    asked = needs_calldata(run.job, run.node.table)
    calldata = run.node.get_calldata() if asked else run.job.calldata
    turned = settle_line(run)
    job = run.job
    letters = job.permissions
    if calldata is None:
        raise VmFault("malformed_entry")
    # Else the manager has seen to it, and what is wrong with a payload is for the check to say.
    if asked or turned or job.nested is not None or not job.line.checks_entry:
        calldata = with_method_at(job.line.method_key, calldata)
    if job.line.checks_entry and not is_entry(calldata, job.message.is_init):
        raise VmFault("malformed_entry")
    if "w" in letters:
        run.load_locked_slots()
    storage = WrittenStorage(run.storage_of(job.message.contract, run.own_view), run.budget)
    frame = VmFrame(
        contract=job.message.contract,
        code=_code(run, storage),
        entry=VmEntry(EntryKind.MAIN, calldata),
        rights=Rights(
            deterministic=True,
            write="w" in letters,
            send="s" in letters,
            call="c" in letters,
            nondet="n" in letters,
        ),
        storage=storage,
        is_init=job.message.is_init,
        value=job.message.value,
        stack=() if job.nested is None else job.nested.stack,
        view=StorageView.DEFAULT if job.nested is None else job.nested.view,
    )
    _check_version(frame.code, job.line, job.executor_version)
    return frame


def needs_calldata(job: Job, table: HostTable) -> bool:
    """Whether the first that a run does is to ask its node for the calldata."""
    return job.calldata is None and table.calldata is Channel.HOST


def _code(run: RunState, storage: WrittenStorage) -> bytes:
    job = run.job
    if not job.message.is_init or run.node.table.code is Channel.STORAGE:
        check_major(storage, job.line, _major(job.executor_version))
        return read_code(storage, job.line)
    if job.code is None:
        raise VmFault(job.line.texts.absent_code)
    # It comes back in the result, but nothing is made of it page by page.
    run.kept.add(len(job.code))
    store_code(storage, job.line, job.code, _major(job.executor_version))
    return job.code


def _major(executor_version: str) -> int:
    found = contract_package.VERSION.match(executor_version)
    return min(int(found[1]), MAX_MAJOR) if found else 0


def _check_version(code: bytes, line: ContractLine, executor_version: str) -> None:
    """A contract that asks for a newer line is refused; lines with majors compare those elsewhere."""
    if line.has_majors:
        return
    try:
        text = contract_package.parse(code, line.name).version
    except contract_package.PackageError as error:
        raise VmFault(error.vm_error, str(error)) from None
    if (objection := contract_package.too_new(text, executor_version)) is not None:
        raise VmFault("version_too_big", objection)

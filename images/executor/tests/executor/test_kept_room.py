"""What a run keeps has room in its result, and what has none is told alike on every node."""

from __future__ import annotations

import tracemalloc

import pytest

from genvm_executor.machine.outcome import RETURN_NULL, VmFault, VmOutcome, vm_error
from genvm_executor.machine.wasi.filesystem import FileSystem
from genvm_executor.requests.children import ChildVms
from genvm_executor.requests.contract_requests import ContractRequests
from genvm_executor.requests.delivery import _run_result
from genvm_executor.requests.entry import entry_frame
from genvm_executor.requests.kept import MAX_KEPT
from genvm_executor.requests.run_state import RunState
from genvm_executor.requests.storage_view import NodeStorage, PageCache, WrittenStorage
from genvm_executor.requests.vm_frame import Start
from genvm_wire.calldata import Encodable, encode
from genvm_wire.frames import LIMIT_FROM_INSTANCE
from genvm_wire.results import ResultCode, build

from .executor_process import SENDER
from .run_stage import ALL_RIGHTS, RunOfLine, frame_of, parsed

DEPLOYED: dict[str, Encodable] = {"message__is_init": True, "permissions": "", "calldata": encode({})}


def code_of(size: int) -> bytes:
    return b'# {"Depends": "py-genlayer:test"}\n'.ljust(size, b"\n")


@pytest.mark.parametrize("line", ["v0.2", "v0.3"])
def test_a_deployment_s_own_code_costs_its_bytes_and_what_comes_after_has_the_rest(
    run_of_line: RunOfLine, line: str
) -> None:
    run = run_of_line(line)
    code = code_of(9 * 1024 * 1024 - 4)
    run.job = parsed(contract_line=line, code=code, **DEPLOYED)
    assert entry_frame(run).code == code
    left = MAX_KEPT - len(code)
    with pytest.raises(VmFault):
        run.kept.add(left + 1)
    # What there was no room for is not kept; a page or two of the root slot have their price.
    run.kept.add(left - 4096)
    with pytest.raises(VmFault):
        run.kept.add(4097)


def test_the_largest_result_of_a_deployment_fits_its_frame(run_of_line: RunOfLine) -> None:
    run = run_of_line("v0.2")
    run.job = parsed(contract_line="v0.2", code=code_of(40 * 1024 * 1024 - 4), **DEPLOYED)
    frame = entry_frame(run)
    asked = encode({"EthSend": {"address": SENDER, "calldata": bytes(2**20), "value": 0}})
    frame.rights = ALL_RIGHTS
    sending = ContractRequests(run, frame, ChildVms(run, lambda _: RETURN_NULL), FileSystem())
    for _ in range(23):
        sending.gl_call(asked)
    with pytest.raises(VmFault):
        sending.gl_call(asked)
    result = _run_result(run, frame, RETURN_NULL)
    payload = build(result, run.node.table.result_form, later_names=False)
    assert 63 << 20 < len(payload) < LIMIT_FROM_INSTANCE


def test_what_is_laid_takes_little_more_than_its_bytes(run_of_line: RunOfLine) -> None:
    run = run_of_line("v0.2")
    code = code_of(8 * 1024 * 1024 - 4)
    run.job = parsed(contract_line="v0.2", code=code, **DEPLOYED)
    tracemalloc.start()
    try:
        entry_frame(run)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * len(code)


@pytest.mark.parametrize("size", [1, 31, 32, 33, 96, 100])
@pytest.mark.parametrize(
    "later",
    [
        [],
        [(0, b"x" * 32)],
        [(5, b"y")],
        [(40, b"z" * 70)],
        [(96, b"next")],
        [(128, b"behind")],
        [(1, b"a" * 200), (64, b"b")],
    ],
    ids=lambda writes: "-".join(str(at) for at, _ in writes) or "none",
)
def test_what_is_laid_reads_and_comes_out_as_if_written(
    run_of_line: RunOfLine, size: int, later: list[tuple[int, bytes]]
) -> None:
    """A page of a slot is what was written there last, over what the node has."""
    slot, data = bytes(32), bytes(range(1, size + 1))

    def storage() -> WrittenStorage:
        node = NodeStorage(lambda slot, offset, length: b"." * length, PageCache())
        return WrittenStorage(node, run_of_line("v0.2").budget)

    laid, written = storage(), storage()
    laid.lay(slot, data)
    written.write(slot, 0, data)
    for one in (laid, written):
        for at, piece in later:
            one.write(slot, at, piece)
        one.write(b"\1" * 32, 7, b"elsewhere")
    assert list(laid.runs()) == list(written.runs())
    for offset in (0, 3, 31, 32, 90):
        assert laid.read(slot, offset, 150) == written.read(slot, offset, 150)
    for index in range(8):
        assert laid.holds(slot, index) == written.holds(slot, index)


@pytest.mark.parametrize("line", ["v0.2", "v0.3"])
def test_a_block_s_result_that_there_is_no_room_for_is_told_to_the_other_nodes_as_that(
    run_of_line: RunOfLine, line: str
) -> None:
    """They would find none otherwise, and take the leader for faulty."""

    def ended(results: list[bytes] | None) -> tuple[str, RunState]:
        run = run_of_line(line)
        run.job = parsed(contract_line=line, calldata=encode({}), leader_nondet_results=results)
        value = encode(bytes(MAX_KEPT) if results is None else True)
        children = ChildVms(run, lambda frame: VmOutcome(ResultCode.RETURN, value))
        with pytest.raises(VmFault) as fault:
            children.run_nondet(frame_of(run), b"leader", b"validator", Start(b"", None, {}), catch=False)
        return fault.value.text, run

    end, leader = ended(None)
    assert leader.nondet_results == [vm_error(leader.job.line.texts.no_memory_for_answer).sub_result()]
    again, validator = ended(list(leader.nondet_results))
    assert (again, validator.nondet_results) == (end, leader.nondet_results)
    assert validator.kept._bytes == leader.kept._bytes

"""What the VMs of a run share."""

from __future__ import annotations

import socket
import tracemalloc
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from genvm_executor.channel.job import Job, job_of
from genvm_executor.channel.run_log import RunLog
from genvm_executor.host import HostClient
from genvm_executor.machine.outcome import RETURN_NULL, VmFault
from genvm_executor.machine.wasi.filesystem import FileSystem
from genvm_executor.requests.children import ChildVms
from genvm_executor.requests.contract_requests import ContractRequests
from genvm_executor.requests.entry import entry_frame
from genvm_executor.requests.kept import MAX_KEPT
from genvm_executor.requests.run_state import MAX_REMEMBERED, RunState
from genvm_executor.requests.storage_view import (
    MAX_CACHED_PAGES,
    PAGE,
    NodeStorage,
    PageCache,
    WrittenStorage,
)
from genvm_executor.requests.vm_frame import EntryKind, Rights, VmEntry, VmFrame
from genvm_wire.address import Address
from genvm_wire.calldata import Encodable, encode
from genvm_wire.host_tables import HOST_TABLES

from .executor_process import CONTRACT, SENDER, job_message

RunOfLine = Callable[[str], RunState]


def parsed(**changes: Encodable) -> Job:
    return job_of(job_message(**changes))


@pytest.fixture
def run_of_line() -> Iterator[RunOfLine]:
    ours, theirs = socket.socketpair()
    node = HostClient(ours, HOST_TABLES["T9n"])
    yield lambda line: RunState(parsed(contract_line=line), node, RunLog(0), memory_limit=100)
    node.close()
    theirs.close()


@pytest.mark.parametrize("line", ["v0.2", "v0.3"])
def test_a_block_has_what_its_caller_left_and_takes_nothing_from_it(
    run_of_line: RunOfLine, line: str
) -> None:
    """contract-runtime 1: memory budget."""
    run = run_of_line(line)
    guests: list[Any] = [SimpleNamespace(memory_bytes=60), SimpleNamespace(memory_bytes=10)]
    run.live += zip((True, False), guests, strict=True)
    assert (run.memory_left(deterministic=True), run.memory_left(deterministic=False)) == (40, 30)


@pytest.mark.parametrize(
    ("extra", "buckets"),
    [
        ({"bucket_totals": [1, 2, 3]}, (1, 2, 3)),
        ({"data_fees_limit": 9}, (9,)),
        ({"bucket_totals": "many"}, ()),
        ({}, ()),
    ],
    ids=str,
)
def test_fee_buckets_are_those_of_the_node(extra: dict[str, Encodable], buckets: tuple[int, ...]) -> None:
    """host-protocol 6.2."""
    assert parsed(extra=extra).fee_buckets == buckets


def requests_of(run: RunState) -> ContractRequests:
    """Those of the VM that a run begins with."""
    storage = WrittenStorage(NodeStorage(lambda slot, offset, length: bytes(length), PageCache()), run.budget)
    rights = Rights(deterministic=True, write=True, send=True, call=True, nondet=True)
    entry = VmEntry(EntryKind.MAIN, b"")
    frame = VmFrame(CONTRACT, b"", entry, rights, storage, is_init=False, value=0)
    return ContractRequests(run, frame, ChildVms(run, lambda _: RETURN_NULL), FileSystem())


MANY: list[Encodable] = [[]] * 100_000
MESSAGE: dict[str, Encodable] = {"calldata": {"args": MANY}, "value": 0, "on": "accepted"}


@pytest.mark.parametrize("line", ["v0.2", "v0.3"])
@pytest.mark.parametrize(
    "request_map",
    [
        {"PostMessage": {"address": SENDER, **MESSAGE}},
        {"DeployContract": {"code": b"", "salt_nonce": 1, **MESSAGE}},
        {"EmitEvent": {"topics": [], "blob": {"many": MANY}}},
    ],
    ids=["message", "deployment", "event"],
)
def test_what_is_emitted_takes_no_more_than_its_bytes(
    run_of_line: RunOfLine, line: str, request_map: dict[str, Encodable]
) -> None:
    """Decoded, an item of one byte took seventy, and only a few such messages fit the container."""
    requests, request = requests_of(run_of_line(line)), encode(request_map)
    tracemalloc.start()
    try:
        requests.gl_call(request)
        held, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 2 * len(request)
    assert most < 4 * len(request)


def test_pages_of_all_contracts_are_remembered_together() -> None:
    cache, size = PageCache(), 1024
    for _ in range(MAX_CACHED_PAGES // size * 2):
        NodeStorage(lambda slot, offset, length: bytes(length), cache).read(bytes(32), 0, size * PAGE)
    assert len(cache.pages) <= MAX_CACHED_PAGES + size
    assert cache.reads == MAX_CACHED_PAGES // size * 2


def test_a_run_remembers_a_bounded_number_of_contracts(run_of_line: RunOfLine) -> None:
    run = run_of_line("v0.3")
    for number in range(MAX_REMEMBERED + 2):
        latest = run.storage_of(Address(number.to_bytes(20, "big")), 0)
    assert len(run._storages) == 2
    assert run.storage_of(Address((MAX_REMEMBERED + 1).to_bytes(20, "big")), 0) is latest


@pytest.mark.parametrize("line", ["v0.2", "v0.3"])
def test_a_deployment_s_own_code_costs_nothing_and_what_comes_after_does(
    run_of_line: RunOfLine, line: str
) -> None:
    run = run_of_line(line)
    code = b'# {"Depends": "py-genlayer:test"}\n'.ljust(9 * 1024 * 1024 - 4, b"\n")
    told: dict[str, Encodable] = {"message__is_init": True, "permissions": "", "calldata": encode({})}
    run.job = parsed(contract_line=line, code=code, **told)
    assert entry_frame(run).code == code
    with pytest.raises(VmFault):
        run.kept.add(MAX_KEPT + 1)
    # What there was no room for is not kept.
    run.kept.add(MAX_KEPT)
    with pytest.raises(VmFault):
        run.kept.add(1)

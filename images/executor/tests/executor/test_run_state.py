"""What the VMs of a run share."""

from __future__ import annotations

import tracemalloc
from types import SimpleNamespace
from typing import Any

import pytest

from genvm_executor.machine.outcome import RETURN_NULL
from genvm_executor.machine.wasi.filesystem import FileSystem
from genvm_executor.requests.children import ChildVms
from genvm_executor.requests.contract_requests import ContractRequests
from genvm_executor.requests.run_state import MAX_REMEMBERED, RunState
from genvm_executor.requests.storage_view import (
    MAX_CACHED_PAGES,
    PAGE,
    NodeStorage,
    PageCache,
)
from genvm_wire.address import Address
from genvm_wire.calldata import Encodable, encode

from .executor_process import SENDER
from .run_stage import RunOfLine, frame_of, parsed


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
    return ContractRequests(run, frame_of(run), ChildVms(run, lambda _: RETURN_NULL), FileSystem())


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

"""What the VMs of a run share."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from genvm_executor.channel.job import Job, job_of
from genvm_executor.channel.run_log import RunLog
from genvm_executor.host import HostClient
from genvm_executor.requests.run_state import RunState
from genvm_wire.calldata import Encodable
from genvm_wire.host_tables import HOST_TABLES

from .executor_process import job_message

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
    """contract-runtime.md, 1: memory budget."""
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
    """host-protocol.md, 6.2."""
    assert parsed(extra=extra).fee_buckets == buckets

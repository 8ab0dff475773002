"""What the VMs of a run share."""

from __future__ import annotations

import socket
from types import SimpleNamespace

import pytest

from genvm_executor.channel.job import job_of
from genvm_executor.channel.run_log import RunLog
from genvm_executor.host import HostClient
from genvm_executor.requests.run_state import RunState
from genvm_wire.host_tables import HOST_TABLES
from genvm_wire.instance_messages import to_instance

from .executor_process import job


def parsed(**changes):
    return job_of(to_instance(job(**changes)))


@pytest.fixture
def run_of_line():
    ours, theirs = socket.socketpair()
    node = HostClient(ours, HOST_TABLES["T9n"])
    yield lambda line: RunState(parsed(contract_line=line), node, RunLog(0), memory_limit=100)
    node.close()
    theirs.close()


@pytest.mark.parametrize("line", ["v0.2", "v0.3"])
def test_a_block_has_what_its_caller_left_and_takes_nothing_from_it(run_of_line, line):
    """contract-runtime.md, 1: memory budget."""
    run = run_of_line(line)
    run.live += [(True, SimpleNamespace(memory_bytes=60)), (False, SimpleNamespace(memory_bytes=10))]
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
def test_fee_buckets_are_those_of_the_node(extra, buckets):
    """host-protocol.md, 6.2."""
    assert parsed(extra=extra).fee_buckets == buckets

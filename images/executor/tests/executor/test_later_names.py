"""Results for nodes that use the later names (host-protocol 12)."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha3_256
from typing import Any

import pytest

from genvm_wire.calldata import decode, encode
from genvm_wire.host_tables import HOST_TABLES

from .executor_process import SENDER, Executor, call, job
from .node_host import NodeHost
from .test_python_contracts import contract

SENDS = (
    f"gl.get_contract_at(Address('{SENDER}')).emit(on='accepted').foo(1)\n"
    "gl.storage.Root.get().contract_instance.slot().write(0, b'x')\nreturn 1"
)

ResultOf = Callable[..., Any]


@pytest.fixture
def result_of(executor: Executor) -> ResultOf:
    def run(**moments: str) -> Any:
        node = NodeHost(HOST_TABLES["T9n"])
        node.store_code(contract(SENDS).encode())
        executor.wait_ready()
        changes = {f"message__{key}": value for key, value in moments.items()}
        executor.send_job(node, job(host_table="T9n", fuel_width=32, calldata=call("go"), **changes))
        payload = executor.follow().payload
        node.close()
        assert payload[0] == 0, payload
        return decode(payload[1:])

    return run


HASHED = (
    "backtrace",
    "data",
    "data_fees_consumed",
    "data_fees_remaining",
    "emissions",
    "kind",
    "wasm_store_hashes",
)


def test_a_node_with_the_later_name_of_the_moment_reads_later_names(result_of: ResultOf) -> None:
    fields = result_of(transaction_timestamp="2026-01-02T03:04:05Z")
    assert not {"storage_changes", "llm_consumption", "nondet_results"} & fields.keys()
    assert fields["leader_public_data"] == []
    assert len(fields["storage_deltas"]) == 1
    assert fields["llm_consumed_gen_wei"] == 0
    (emission,) = fields["emissions"]
    assert (emission["type"], emission["on"]) == ("InternalMessage", "decided")
    hashed = {key: fields[key] for key in (*HASHED, "storage_deltas")} | {"subvm_hashes": bytes(32)}
    assert fields["execution_hash"] == sha3_256(encode(hashed)).digest()


def test_any_other_node_reads_the_names_that_it_knows(result_of: ResultOf) -> None:
    fields = result_of()
    assert not {"storage_deltas", "llm_consumed_gen_wei", "leader_public_data"} & fields.keys()
    assert fields["nondet_results"] == []
    assert (fields["emissions"][0]["type"], fields["emissions"][0]["on"]) == ("PostMessage", "accepted")
    hashed = {key: fields[key] for key in (*HASHED, "storage_changes")}
    assert fields["execution_hash"] == sha3_256(encode(hashed | {"subvm_hashes": bytes(32)})).digest()

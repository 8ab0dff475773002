"""Tables whose effects travel inside the result (host-protocol 3.6, 8.1)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from genvm_wire.calldata import decode, encode
from genvm_wire.host_tables import HOST_TABLES, Method, ResultForm
from genvm_wire.results import RunResult, parse
from genvm_wire.storage_layout import code_slot, contract_slot, split_change

from .executor_process import SENDER, Executor, Report, call, job
from .node_host import NodeHost
from .test_python_contracts import COUNTER, contract


@pytest.fixture
def node(request: pytest.FixtureRequest) -> Iterator[NodeHost]:
    host = NodeHost(HOST_TABLES[request.param])
    yield host
    host.close()


def pages(report: Report, form: ResultForm) -> tuple[RunResult, dict[tuple[bytes, int], bytes]]:
    result = parse(report.payload, form)
    return result, {
        (s, i): data for key, run in result.storage_changes for s, i, data in split_change(key, run)
    }


@pytest.mark.parametrize("node", ["T15b"], indirect=True)
def test_a_deployment_stores_the_code_and_reports_its_pages(executor: Executor, node: NodeHost) -> None:
    executor.wait_ready()
    calldata = encode({"args": [5]})
    executor.send_job(
        node,
        job(
            host_table="T15b",
            executor_version="v0.2.11",
            calldata=calldata,
            code=COUNTER.encode(),
            message__is_init=True,
            storage_pages=1000,
        ),
    )
    report = executor.follow()
    result, written = pages(report, node.table.result_form)
    assert (result.kind, report.result.delivered) == ("Return", True)
    assert written[contract_slot("v0.2"), 0][0] == 5
    assert written[code_slot("v0.2"), 0][:4] == len(COUNTER).to_bytes(4, "little")
    assert not {Method.GET_CALLDATA, Method.STORAGE_WRITE} & set(node.requests)


@pytest.mark.parametrize("node", ["T15b"], indirect=True)
def test_a_spent_page_budget_is_out_of_storage(executor: Executor, node: NodeHost) -> None:
    node.store_code(COUNTER.encode())
    executor.wait_ready()
    executor.send_job(node, job(host_table="T15b", calldata=call("add", 1), storage_pages=0))
    result, written = pages(executor.follow(), node.table.result_form)
    assert (result.kind, result.data, written) == ("VmError", "OOM storage", {})


@pytest.mark.parametrize("node", ["T9w", "T8", "T9n"], indirect=True)
def test_messages_and_events_travel_as_emissions_and_the_manager_gets_the_result(
    executor: Executor, node: NodeHost
) -> None:
    body = f"gl.get_contract_at(Address('{SENDER}')).emit().foo(1)\nreturn 1"
    node.store_code(contract(body).encode())
    executor.wait_ready()
    name = node.table.name
    executor.send_job(node, job(host_table=name, fuel_width=node.table.fuel_width, calldata=call("go")))
    report = executor.follow()
    result = parse(report.payload, node.table.result_form)
    assert (result.data, report.result.delivered, node.result) == (1, False, None)
    emission: Any
    (emission,) = result.emissions
    assert (emission["type"], emission["address"], emission["on"]) == ("PostMessage", SENDER, "finalized")
    assert emission["calldata"] == decode(encode({"method": "foo", "args": [1]}))
    assert (Method.NOTIFY_FINISHED in node.requests) == (name != "T9n")


@pytest.mark.parametrize("node", ["T15a"], indirect=True)
def test_a_contract_with_its_own_environment_starts_cold_and_gets_it(
    executor: Executor, node: NodeHost
) -> None:
    header = '# { "Seq": [{"AddEnv": {"name": "COLOUR", "val": "red"}}, {"Depends": "py-genlayer:test"}] }\n'
    body = contract("import os\nreturn os.environ['COLOUR']").partition("\n")[2].partition("\n")[2]
    node.store_code((header + body).encode())
    node.calldata = call("go")
    executor.wait_ready()
    executor.send_job(node, job())
    assert executor.follow().value == "red"


@pytest.mark.parametrize("node", ["T15b"], indirect=True)
def test_the_last_byte_of_a_slot_is_kept(executor: Executor, node: NodeHost) -> None:
    node.store_code(
        contract(
            "slot = gl.storage.Root.get().contract_instance.slot()\n"
            "slot.write(2**32 - 2, b'yz')\nreturn slot.read(2**32 - 3, 3)"
        ).encode()
    )
    executor.wait_ready()
    executor.send_job(node, job(host_table="T15b", calldata=call("go"), storage_pages=10))
    result, written = pages(executor.follow(), node.table.result_form)
    assert result.data == b"\0yz"
    assert written[contract_slot("v0.2"), 2**32 // 32 - 1] == bytes(30) + b"yz"

"""How many bytes a fuel amount has, where only the node knows (host-protocol 3.4, correction)."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from genvm_executor.host import HostClient
from genvm_wire.calldata import Encodable, encode
from genvm_wire.host_tables import HOST_TABLES, Method
from genvm_wire.results import RunResult, parse

from .executor_process import SENDER, Executor, call, job
from .module_peer import ModulePeer
from .node_host import NodeHost
from .test_modules import HOST_DATA, ok
from .test_python_contracts import contract

T8 = HOST_TABLES["T8"]
Pair = tuple[socket.socket, socket.socket]
TWO_PROMPTS = """
def ask():
    return gl.nondet.exec_prompt('a') + gl.nondet.exec_prompt('b')
return gl.vm.run_nondet_unsafe(ask, lambda r: ask() == r.calldata)
"""


def run_on(executor: Executor, node: NodeHost, **changes: Encodable) -> RunResult:
    """A run with two prompts, each of which cost something; what its node heard."""
    node.store_code(contract(TWO_PROMPTS).encode())
    llm = ModulePeer([ok("x", 5), ok("y", 7)])
    executor.wait_ready()
    changes |= {"host_table": "T8", "calldata": call("go")}
    wanted = job(sockets=["host", "llm"], host_data=HOST_DATA, **changes)
    executor.channel.send(wanted, [node.executor_side.fileno(), llm.executor_side.fileno()])
    node.executor_side.close()
    llm.executor_side.close()
    result = parse(executor.follow().payload, node.table.result_form)
    # Consumption and disagreement have no answer: the node has read them when its thread is over.
    node.close()
    llm.close()
    return result


@pytest.mark.parametrize("width", [8, 32])
def test_a_validator_of_either_width_prompts_twice_and_tells_its_disagreement(
    executor: Executor, width: int
) -> None:
    node = NodeHost(T8, fuel_width=width, remaining_fuel=2**53 - 1)
    result = run_on(executor, node, fuel_width_learnt=True, leader_nondet_results=[b"\x00" + encode("other")])
    assert (result.data, result.nondet_disagreement) == ("other", 0)
    assert (node.consumed, node.disagreements) == ([5, 7], [0])
    assert node.requests[-1] is Method.NOTIFY_FINISHED


def test_a_width_that_was_set_is_kept(executor: Executor) -> None:
    node = NodeHost(T8, fuel_width=32)
    assert run_on(executor, node, fuel_width=32).data == "xy"
    assert node.consumed == [5, 7]


@pytest.fixture
def pair() -> Iterator[Pair]:
    near, far = socket.socketpair()
    near.settimeout(60)
    far.settimeout(60)
    with near, far:
        yield near, far


BUDGET = 2**200 + 3


@pytest.mark.parametrize(("width", "budget"), [(8, 2**53 - 1), (8, 0), (32, BUDGET), (32, 2**60), (32, 0)])
def test_the_first_amount_shows_the_width_of_all(pair: Pair, width: int, budget: int) -> None:
    near, far = pair
    client = HostClient(near, T8)
    for _ in range(2):
        far.sendall(b"\0" + budget.to_bytes(width, "little"))
        assert client.remaining_fuel() == budget
        client.consume_fuel(BUDGET)
    client.close()
    most = min(BUDGET, 2 ** (8 * width) - 1).to_bytes(width, "little")
    assert far.recv(1000) == (b"\4" + b"\1" + most) * 2


def test_the_rest_of_an_amount_that_was_held_up_is_no_reply(pair: Pair) -> None:
    near, far = pair
    client = HostClient(near, T8)
    told = b"\0" + (2**60).to_bytes(32, "little")
    far.sendall(told[:9])
    assert client.remaining_fuel() == 2**60
    far.sendall(told[9:])
    client.consume_fuel(1)
    far.sendall(b"\0" + (5).to_bytes(32, "little"))
    assert client.get_balance(SENDER) == 5
    assert far.recv(1000) == b"\4" + b"\1" + (1).to_bytes(32, "little") + b"\3" + SENDER.raw

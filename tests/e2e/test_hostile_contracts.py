"""Contracts that mean harm end as specified; the manager answers meanwhile, and honest runs go on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import docker
import pytest
import wasmtime

from genvm_wire.address import Address
from orchestrator.node.run_report import RunReport
from orchestrator.node.store import NodeStore
from tests.e2e.chain import BOB, Chain, chain_at, shown, source
from tests.e2e.manager_process import ManagerProcess, running_manager
from tests.e2e.strict_node import StrictNode, staged, strict_node

MIB = 1024 * 1024
LONGEST_RUN = 15
"""Seconds: a run that is to end at its deadline has started by then, and an honest one beside it has ended,
even if the engine takes its time."""
END_GRACE = 20
"""Seconds: a bound. Who obeys needs far less, on a machine that runs."""
HEADER = b'# { "Depends": "py-genlayer:test" }\n'
WASM_WITHOUT_END = bytes(wasmtime.wat2wasm('(module (func (export "_start") (loop br 0)))'))
TAIL = 4 * MIB
"""Of an output, so much is kept."""
MUCH = 4 * TAIL
NO_ANSWER = 2.0
"""Seconds after which a node's health endpoint gives the manager up (manager-api 6.2)."""


@pytest.fixture(scope="module")
def strict_manager(engine: docker.APIClient, executor_image: str) -> Iterator[ManagerProcess]:
    """Short runs, small instances."""
    settings: dict[str, Any] = {
        "longest_run": LONGEST_RUN,
        "instance_memory_bytes": 256 * MIB,
        "end_grace": END_GRACE,
    }
    with running_manager(engine, permits=12, **settings) as running:
        yield running


@pytest.fixture(scope="module")
def small_manager(engine: docker.APIClient, executor_image: str) -> Iterator[ManagerProcess]:
    """Small instances, for runs that are not to meet their deadline."""
    with running_manager(engine, permits=10, instance_memory_bytes=256 * MIB) as running:
        yield running


@pytest.fixture
async def endless(strict_manager: ManagerProcess, store: NodeStore) -> AsyncIterator[Chain]:
    """The chain on a manager that ends it soon; `chain` is the same one on a manager without limits."""
    async with chain_at(strict_manager.address, store) as made:
        yield made


@pytest.fixture
async def harsh(small_manager: ManagerProcess, store: NodeStore) -> AsyncIterator[Chain]:
    """The same on a manager under attack whose runs have time."""
    async with chain_at(small_manager.address, store) as made:
        yield made


@pytest.fixture
async def target(chain: Chain) -> Address:
    return await chain.deploy(source("behaviour.py"))


@asynccontextmanager
async def answering(manager: ManagerProcess, folder: Path) -> AsyncIterator[None]:
    """Meanwhile `/status` answers every time, in time."""
    async with strict_node(manager.address, folder) as asking:
        watching = asyncio.create_task(ask_for_ever(asking))
        yield
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching


async def ask_for_ever(asking: StrictNode) -> None:
    while True:
        async with asyncio.timeout(NO_ANSWER):
            await asking.status()
        await asyncio.sleep(0.02)


def ended(outcome: RunReport) -> tuple[str, object]:
    return outcome.kind, None if outcome.result is None else outcome.result.data


async def test_work_without_end_ends_at_the_deadline_and_honest_runs_go_on_beside_it(
    strict_manager: ManagerProcess, endless: Chain, target: Address, folder: Path
) -> None:
    methods = ["spin", "write_forever", "pattern", "big_number"]
    async with answering(strict_manager, folder):
        attacks = [asyncio.create_task(endless.transact(target, method)) for method in methods]
        attacks.append(asyncio.create_task(endless.try_deploy(WASM_WITHOUT_END, sender=BOB)))
        good = await endless.node.view(target, "good")
        bad = await asyncio.gather(*attacks)
    assert ended(good) == ("Return", 1), shown(good)
    for outcome in bad:
        assert outcome.status["cause"] == "deadline", shown(outcome)
        assert ended(outcome) == ("VmError", "timeout")


async def test_memory_without_end_is_a_result_where_the_container_is_larger(
    manager: ManagerProcess, chain: Chain, target: Address, folder: Path
) -> None:
    async with answering(manager, folder):
        bad = await chain.transact(target, "allocate")
    assert ended(bad) == ("VmError", "OOM"), shown(bad)
    assert bad.status["cause"] == "exited"


async def test_memory_without_end_ends_in_oom_where_it_is_smaller(
    small_manager: ManagerProcess, harsh: Chain, target: Address, folder: Path
) -> None:
    async with answering(small_manager, folder):
        bad, good = await asyncio.gather(harsh.transact(target, "allocate"), harsh.node.view(target, "good"))
    assert (bad.status["cause"], bad.status["oom_killed"]) == ("oom", True), shown(bad)
    assert bad.kind == "NoResult"
    assert ended(good) == ("Return", 1)


async def test_output_without_end_is_cut_to_its_tail_and_costs_the_manager_nothing(
    small_manager: ManagerProcess, store: NodeStore, folder: Path
) -> None:
    async with strict_node(small_manager.address, folder) as node:
        await talked(node, store)
        before = small_manager.resident_bytes()
        async with answering(small_manager, folder):
            statuses = [await talked(node, store) for _ in range(2)]
    for status in statuses:
        assert status["cause"] == "cancelled"
        assert 0 < len(status["stdout"].encode()) <= TAIL
    # Finished runs are retained with their tails, which is what may grow and is bounded by a setting.
    retained = sum(len(status["stdout"]) for status in statuses)
    assert small_manager.resident_bytes() - before < retained + 16 * MIB


async def talked(node: StrictNode, store: NodeStore) -> dict[str, Any]:
    """The status of a run that was ended when it had said much."""
    async with node.listener(await staged(store, source("behaviour.py"), "talk")) as listener:
        run_id = await node.post(listener.uri)
        while (await node.output(run_id))["stdout"]["total_bytes"] < MUCH:
            assert not listener.ended.is_set()
        return await node.ended(run_id)


@pytest.mark.parametrize(
    ("method", "args", "expected"),
    [
        ("recurse", [], ("VmError", "exit_code 1")),
        ("nest", [], ("VmError", "exit_code 1")),
        ("leave", [3], ("VmError", "exit_code 3")),
        ("leave", [0], ("Return", None)),
        ("no_such_method", [], ("VmError", "exit_code 1")),
        ("__init__", [], ("VmError", "exit_code 1")),
    ],
)
async def test_a_method_that_breaks_its_interpreter_is_a_vm_error(
    harsh: Chain, target: Address, method: str, args: list[int], expected: tuple[str, object]
) -> None:
    outcome = await harsh.transact(target, method, *args)
    assert ended(outcome) == expected, shown(outcome)
    assert outcome.status["cause"] == "exited"


async def test_leaving_early_keeps_what_was_written_only_with_success(harsh: Chain, target: Address) -> None:
    await harsh.transact(target, "leave", 9)
    assert await harsh.view(target, "good") == 1
    await harsh.transact(target, "leave", 0)
    assert await harsh.view(target, "good") in {1, 2}


async def test_an_answer_of_many_megabytes_arrives(harsh: Chain, target: Address) -> None:
    assert await harsh.view(target, "big_answer") == b"x" * (16 * MIB)


@pytest.mark.parametrize(
    ("code", "data"),
    [
        (HEADER + b"def (:\n", "exit_code 1"),
        (HEADER + b"print('no contract here')\n", "exit_code 1"),
        (HEADER + b"from genlayer import *\nraise gl.vm.UserError('early')\n", "exit_code 1"),
        (HEADER + b"import socket\nsocket.create_connection(('10.0.0.1', 80))\n", "exit_code 1"),
        (HEADER + b"open('/etc/passwd').read()\n", "exit_code 1"),
        (b"\xff\xfe\x00", "invalid_contract not_utf8_text"),
        (b"\0asm\x01\0\0\0\xff\xff\xff", "invalid_contract"),
        (bytes(wasmtime.wat2wasm('(module (func (export "_start") unreachable))')), "wasm_trap"),
        (
            bytes(wasmtime.wat2wasm('(module (import "env" "f" (func)) (func (export "_start")))')),
            "invalid_contract",
        ),
        (bytes(wasmtime.wat2wasm("(module)")), "invalid_contract"),
    ],
    ids=[
        "no python",
        "no contract",
        "error at import",
        "network",
        "host files",
        "no text",
        "broken wasm",
        "trap",
        "unknown import",
        "no entry",
    ],
)
async def test_code_that_is_no_contract_is_a_vm_error(harsh: Chain, code: bytes, data: str) -> None:
    outcome = await harsh.try_deploy(code)
    kind, text = ended(outcome)
    assert kind == "VmError", shown(outcome)
    assert str(text).startswith(data)
    assert outcome.status["cause"] == "exited"


async def test_five_megabytes_of_code_run(strict_manager: ManagerProcess, chain: Chain, folder: Path) -> None:
    """manager-api 1.2: contracts exceed a megabyte routinely."""
    padding = b"# " + b"x" * 97 + b"\n"
    code = source("behaviour.py") + b"\n" + padding * (5 * MIB // len(padding))
    async with answering(strict_manager, folder):
        contract = await chain.deploy(code)
        assert await chain.call(contract, "good", sender=BOB) == 1

"""Modules from start to stop, and runs that use them (manager-api 3.2, 3.4, W6, W14)."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import signal
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from orchestrator.modules.configuration import Configuration
from orchestrator.modules.instance import ModuleInstance
from orchestrator.modules.kinds import ModuleKind
from tests.generation_bodies import CALLDATA_GENERATIONS, encoded
from tests.integration.manager.conftest import Client, MakeClient, SetTimes, listening_node
from tests.integration.manager.module_runs import (
    HELD,
    LLM,
    STARTED,
    WEB,
    answers,
    asked,
    module_status,
    now,
    order,
    pid_of,
    start_both,
    under_way,
)
from tests.integration.manager.socket_requests import request
from tests.socket_client import INTERNAL, refusal, socket_client
from tests.until import until_told


@pytest.mark.parametrize("name", ["Llm", "Web", "llm", "WEB"])
async def test_a_module_starts_and_stops_under_any_spelling(client: Client, name: str) -> None:
    assert await order(client, "start", module_type=name, config={}) == STARTED
    assert (await module_status(client, name.lower()))["state"] == "running"
    assert await order(client, "stop", module_type=name) == (200, {"result": "module_stopped"})
    assert (await module_status(client, name.lower()))["state"] == "stopped"
    assert await order(client, "stop", module_type=name) == (200, {"result": "module_not_running"})


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"module_type": "simulator"}, "unknown variant `simulator`, expected `Llm` or `Web`"),
        ({"module_type": 7}, "must be `Llm` or `Web`"),
        ({}, "module_type"),
        ({**LLM, "config": []}, "config"),
        ({**LLM, "user_error": 1}, "user_error"),
        ({**LLM, "config": {"key": "${nonsense}"}}, "unknown variable `nonsense`"),
    ],
    ids=["unknown", "number", "missing", "config", "flag", "variable"],
)
async def test_what_is_no_start_is_refused_and_starts_nothing(
    client: Client, body: dict[str, Any], text: str
) -> None:
    status, answer = await order(client, "start", **body)
    assert status == 500
    assert text in answer["error"]
    assert (await module_status(client, "llm"))["state"] == "stopped"


async def test_half_of_a_surrogate_pair_is_no_json(client: Client) -> None:
    status, answer = await order(client, "start", module_type="\ud800")
    assert (status, "surrogate" in answer["error"]) == (400, True)


async def test_a_second_start_is_refused_and_the_first_goes_on(client: Client) -> None:
    assert await order(client, "start", **LLM, config={}) == STARTED
    before = await module_status(client, "llm")
    assert await order(client, "start", **LLM, config={}) == (500, {"error": "module_already_running"})
    assert (await module_status(client, "llm"))["instance"] == before["instance"]


async def test_the_default_file_is_used_and_the_flags_reach_the_module(client: Client) -> None:
    flags = {"allow_empty_backends": True, "user_error": True}
    assert await order(client, "start", **LLM, config=None, **flags) == STARTED
    assert (await module_status(client, "llm"))["notes"] == ["flags True True"]


Configure = Callable[[ModuleInstance, Configuration, int], Awaitable[None]]


def impatient(configure: Configure) -> Configure:
    """The same with little time for the module, which has said `ready`."""

    async def soon_over(one: ModuleInstance, configuration: Configuration, generation: int) -> None:
        one._times = dataclasses.replace(one._times, configure=0.5)
        await configure(one, configuration, generation)

    return soon_over


@pytest.mark.parametrize(
    ("config", "text"),
    [
        (
            {"fail": "no valid backend detected (main: empty key)"},
            "no valid backend detected (main: empty key)",
        ),
        ({"exit": 3}, "it exited with code 3"),
        ({"hang": True}, "did not take its configuration within"),
    ],
    ids=["refused", "dies", "hangs"],
)
@pytest.mark.parametrize("what", ["start", "restart"])
async def test_a_broken_configuration_is_told_and_leaves_what_runs_alone(
    client: Client,
    nodes: AsyncExitStack,
    monkeypatch: pytest.MonkeyPatch,
    *,
    what: str,
    config: dict[str, Any],
    text: str,
) -> None:
    """W14: validate first, swap after."""
    if what == "restart":
        await start_both(client)
    if "hang" in config:
        # Not before: what does not hang may take its time.
        monkeypatch.setattr(ModuleInstance, "configure", impatient(ModuleInstance.configure))
    before = await module_status(client, "llm")
    status, answer = await order(client, what, **LLM, config=config)
    assert status == 500
    assert text in answer["error"]
    after = await module_status(client, "llm")
    assert (after["state"], after["instance"]) == (before["state"], before["instance"])
    if what == "restart":
        (said,) = await answers(client, await asked(client, nodes, HELD))
        assert said["Ok"]["tag"] == "first"


async def test_a_run_asks_both_modules_and_its_status_tells_what_it_used(
    make_client: MakeClient, nodes: AsyncExitStack, set_times: SetTimes
) -> None:
    """manager-api 3.4: `metrics`."""
    set_times(close=60.0)
    client = await make_client()
    await start_both(client)
    questions = [{"module": "llm"}, {"module": "web"}, {"module": "llm"}]
    run_id = await asked(client, nodes, *questions)
    assert [said["Ok"]["number"] for said in await answers(client, run_id)] == [1, 1, 2]
    assert (await client.status(run_id))["metrics"] == {
        "llm": {
            "scripting": {"requests_count": 2, "requests_time": 7},
            "tokens": {"main/model": {"input": 1, "output": 2, "total": 3}},
        },
        "web": {"requests_count": 1, "requests_time": 7},
    }


async def test_the_module_is_told_who_the_run_is_by_the_manager(
    client: Client, nodes: AsyncExitStack
) -> None:
    """modules 1.6: the registered record wins."""
    await start_both(client)
    run_id = await asked(client, nodes, {"module": "llm"})
    (said,) = await answers(client, run_id)
    told = said["Ok"]["told"]
    assert (told["run"], told["role"]) == (run_id, "Leader")
    assert json.loads(told["host_data"]) == {"ask": [{"module": "llm"}]}
    assert (told["gas_data"], told["initial_time_units_allocation"]) == ({}, 0)
    assert 0 < told["deadline_ms"] <= 20 * 60 * 1000


async def test_a_run_that_asks_nothing_has_no_metrics(client: Client, nodes: AsyncExitStack) -> None:
    await start_both(client)
    run_id = await asked(client, nodes)
    await client.finished(run_id)
    assert (await client.status(run_id))["metrics"] is None


async def test_a_run_without_modules_starts_all_the_same_in_generation_a(
    client: Client, nodes: AsyncExitStack
) -> None:
    """manager-api 3.2: a warning is logged, the run starts."""
    assert await answers(client, await asked(client, nodes, {"module": "llm"})) == ["not connected"]


async def test_a_run_gets_the_one_module_that_runs(client: Client, nodes: AsyncExitStack) -> None:
    assert await order(client, "start", **WEB, config={}) == STARTED
    said = await answers(client, await asked(client, nodes, {"module": "llm"}, {"module": "web"}))
    assert said[0] == "not connected"
    assert said[1]["Ok"]["number"] == 1


async def test_a_sync_run_gets_no_modules(client: Client, nodes: AsyncExitStack) -> None:
    await start_both(client)
    run_id = await asked(client, nodes, {"module": "llm"}, is_sync=True)
    assert await answers(client, run_id) == ["not connected"]


@pytest.mark.parametrize("what", ["stop", "restart"])
async def test_a_run_keeps_its_module_while_another_takes_its_place(
    client: Client, nodes: AsyncExitStack, what: str
) -> None:
    """W6: nobody waits for anybody."""
    await start_both(client)
    old = pid_of(client, "llm")
    instance = now(client, "llm").instance
    run_id = await asked(client, nodes, {"module": "llm", "held": True}, {"module": "llm"})
    await under_way(client, "llm", 1)
    await order(client, what, **LLM, config={"tag": "second"})
    assert (await module_status(client, "llm"))["draining"] == 1
    client.let_go(instance)
    said = await answers(client, run_id)
    assert [(one["Ok"]["tag"], one["Ok"]["pid"]) for one in said] == [("first", old)] * 2
    await client.until(lambda: not Path(f"/proc/{old}").exists())
    if what == "restart":
        (fresh,) = await answers(client, await asked(client, nodes, HELD))
        assert fresh["Ok"]["tag"] == "second"


async def test_a_run_between_stop_and_start_waits_for_the_start(
    make_client: MakeClient, nodes: AsyncExitStack, set_times: SetTimes
) -> None:
    """W6: what every change of a validator does."""
    set_times(patience=60.0, start_patience=60.0)
    client = await make_client()
    await start_both(client)
    assert await order(client, "stop", **LLM) == (200, {"result": "module_stopped"})
    run_id = await asked(client, nodes, {"module": "llm"})
    assert await order(client, "start", **LLM, config={"tag": "second"}) == STARTED
    (said,) = await answers(client, run_id)
    assert said["Ok"]["tag"] == "second"


async def test_a_cancelled_run_leaves_no_session(client: Client, nodes: AsyncExitStack) -> None:
    await start_both(client)
    run_id = await asked(client, nodes, {"module": "llm", "sleep": 60})
    await under_way(client, "llm", 1)
    await client.delete(run_id, wait_timeout_ms=20)
    await under_way(client, "llm", 0)


async def test_a_run_that_cannot_reach_its_node_leaves_no_session(client: Client) -> None:
    await start_both(client)
    run_id = await client.run(client.body(is_sync=False, host="127.0.0.1:9"))
    status = await client.finished(run_id)
    assert (status["cause"], status["host_connected"]) == ("upstream", False)
    await under_way(client, "llm", 0)


async def test_a_client_that_leaves_undoes_its_start(make_client: MakeClient) -> None:
    client = await make_client(pool_size=0)
    starting = asyncio.create_task(order(client, "start", **LLM, config={"hang": True}))
    await client.until(lambda: client.manager.runtime.statistics().instances == 1)
    starting.cancel()
    await client.until(lambda: client.manager.runtime.statistics().instances == 0)
    assert await order(client, "start", **LLM, config={}) == STARTED


async def test_many_runs_at_once_get_each_its_own_answers(
    make_client: MakeClient, nodes: AsyncExitStack
) -> None:
    """Issue 6: fifty at once through both modules, with a restart in the middle."""
    client = await make_client(permits=100)
    await start_both(client)
    questions = [{"module": module, "sleep": 0} for module in ("llm", "web") * 3]
    questions[2]["sleep"] = 1
    run_ids = [await asked(client, nodes, *questions) for _ in range(50)]
    assert (await order(client, "restart", **LLM, config={"tag": "second"}))[0] == 200
    for run_id in run_ids:
        said = await answers(client, run_id)
        assert [one["Ok"]["run"] for one in said] == [run_id] * 6
        assert [one["Ok"]["number"] for one in said] == [1, 1, 2, 2, 3, 3]
        assert len({one["Ok"]["tag"] for one in said[::2]}) == 1


def channels() -> int:
    """Open sockets and pipes of this process, which is the manager's too. Blocking."""
    links = [str(file.readlink()) for file in Path("/proc/self/fd").iterdir() if file.is_symlink()]
    return sum(link.startswith(("socket:", "pipe:")) for link in links)


async def test_runs_leave_no_channel_open_however_they_end(make_client: MakeClient) -> None:
    client = await make_client(pool_size=0)
    await start_both(client)

    async def some_runs() -> None:
        async with AsyncExitStack() as nodes:
            ended = [await asked(client, nodes, {"module": "llm"}) for _ in range(3)]
            ended.append(await asked(client, nodes, {"module": "llm", "sleep": 60}))
            ended.append(await client.run(client.body(is_sync=False, host="127.0.0.1:9")))
            await under_way(client, "llm", 1)
            await client.delete(ended[3], wait_timeout_ms=20)
            for run_id in ended:
                await client.finished(run_id)
        await client.until(lambda: client.manager.executions.statistics().supervised == 0)

    await some_runs()
    before = await asyncio.to_thread(channels)
    for _ in range(3):
        await some_runs()
    # The node's own ends are closed a moment later.
    await until_told(partial(asyncio.to_thread, lambda: channels() <= before))


@pytest.mark.parametrize("generation", CALLDATA_GENERATIONS)
async def test_a_run_that_needs_modules_is_refused_with_the_text_that_clients_retry_on(
    client: Client, generation: str
) -> None:
    """manager-api 3.2, 6.4."""
    assert await order(client, "start", **WEB, config={}) == STARTED
    body = encoded(generation, f"unix://{client.folder}/nobody", is_sync=False)
    headers = {"Content-Type": "application/octet-stream"}
    status, answer = await client.ask("POST", "/genvm/run", data=body, headers=headers)
    assert (status, answer["error"]) == (
        500, "modules are required but not running (is_sync=false with 'n' permission)"
    )  # fmt: skip
    assert client.manager.executions.live() == []


@pytest.mark.parametrize("generation", ["B3", "C"])
async def test_a_run_that_needs_modules_is_not_refused_while_one_is_between_stop_and_start(
    make_client: MakeClient, nodes: AsyncExitStack, set_times: SetTimes, generation: str
) -> None:
    """W6: only who has waited in vain is refused."""
    set_times(patience=60.0)
    client = await make_client()
    await start_both(client)
    assert await order(client, "stop", **LLM) == (200, {"result": "module_stopped"})
    host = f"unix://{client.folder}/node"
    await nodes.enter_async_context(listening_node(host))
    asking = asyncio.create_task(client.run(encoded(generation, host, is_sync=False, host_data="{}")))
    await client.until(lambda: asking.done() or bool(client.manager.modules._waiters))
    assert await order(client, "start", **LLM, config={}) == STARTED
    assert (await client.finished(await asking))["host_connected"] is True


async def test_the_manager_socket_refuses_with_the_same_text(client: Client) -> None:
    async with (
        listening_node(f"unix://{client.folder}/node") as node,
        socket_client(client.session) as asking,
    ):
        code, text = await refusal(asking.run(request(node, is_sync=False)))
    assert "modules are required but not running" in text
    assert code == INTERNAL


async def test_a_run_whose_module_was_stopped_while_it_waited_fails_to_start(
    make_client: MakeClient, nodes: AsyncExitStack
) -> None:
    """manager-api 6.4: the second text."""
    client = await make_client(permits=2)
    await start_both(client)
    llm = now(client, "llm").instance
    holding = await asked(client, nodes, {"module": "llm", "held": True})
    host = f"unix://{client.folder}/second"
    await nodes.enter_async_context(listening_node(host))
    body = encoded("B4", host, is_sync=False, host_data='{"ask": []}')
    waiting = (await client.ask("POST", "/genvm/run", data=body))[1]["id"]
    assert await order(client, "stop", **WEB) == (200, {"result": "module_stopped"})
    client.let_go(llm)
    await client.finished(holding)
    status = await client.finished(waiting)
    assert (status["state"], status["error"]) == (
        "failed_to_start", "modules are required but not all are running"
    )  # fmt: skip
    assert (status["reason"], status["host_connected"]) == ("modules_not_running", False)


async def test_a_validators_run_is_introduced_with_its_role_and_its_gas(
    client: Client, nodes: AsyncExitStack
) -> None:
    """modules 1.6."""
    await start_both(client)
    host = f"unix://{client.folder}/second"
    await nodes.enter_async_context(listening_node(host))
    body = encoded(
        "B4", host, is_sync=False, host_data='{"ask": [{"module": "web"}]}',
        leader_nondet_results=[b"leader"], gas_data={"genPerTimeUnit": "7"}, initial_time_units_allocation=9,
    )  # fmt: skip
    run_id = (await client.ask("POST", "/genvm/run", data=body))[1]["id"]
    (said,) = await answers(client, run_id)
    told = said["Ok"]["told"]
    assert (told["role"], told["gas_data"]) == ("Validator", {"genPerTimeUnit": "7"})
    assert told["initial_time_units_allocation"] == 9


SECRET = "sk-one-secret-of-the-operator"


async def test_a_secret_is_in_no_error_status_or_file(client: Client) -> None:
    await client.ask("POST", "/env", json={"key": "TEST_LLM_KEY", "value": SECRET})
    config = {"fail": "the provider refused ${ENV[TEST_LLM_KEY]}", "key": "${ENV[TEST_LLM_KEY]}"}
    status, answer = await order(client, "start", **LLM, config=config)
    assert (status, answer["error"]) == (500, "the provider refused ***")
    working = {"ill": "bad ${ENV[TEST_LLM_KEY]}", "backends": {"main": {"key": SECRET}}}
    assert await order(client, "start", **LLM, config=working) == STARTED
    assert SECRET not in json.dumps((await client.ask("GET", "/status"))[1])
    state = client.folder / "state"
    written = [path for path in state.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]
    assert written == []
    pid = pid_of(client, "llm")
    for file in ("environ", "cmdline"):
        assert SECRET.encode() not in Path(f"/proc/{pid}/{file}").read_bytes()


async def test_a_module_that_reads_nothing_holds_no_run_up(
    make_client: MakeClient, nodes: AsyncExitStack, set_times: SetTimes
) -> None:
    """A channel that is full must not stop the hand-over of runs, nor the pings that find it out."""
    # Nobody is stuck who has to wait for the processor.
    set_times(ping_interval=0.1, missed_pings=10_000)
    client = await make_client()
    await start_both(client)
    stuck = pid_of(client, "llm")
    os.kill(stuck, signal.SIGSTOP)
    big = {"module": "web", "padding": "x" * 400_000}
    said = await answers(client, await asked(client, nodes, big))
    assert said[0]["Ok"]["number"] == 1
    held = client.manager.modules._modules[ModuleKind.LLM].current
    assert held is not None
    held._times = dataclasses.replace(held._times, missed_pings=2)
    await client.until(lambda: now(client, "llm").restarts == 1)
    await client.until(lambda: not Path(f"/proc/{stuck}").exists())


async def test_a_stopping_manager_says_so_and_starts_no_module(client: Client) -> None:
    """manager-api 3.1: `stopping` while the whole manager shuts down."""
    await start_both(client)
    client.manager.modules.begin_stopping()
    assert (await module_status(client, "llm"))["state"] == "stopping"
    status, answer = await order(client, "restart", **LLM, config={})
    assert (status, answer["error"]) == (503, "the manager is shutting down")

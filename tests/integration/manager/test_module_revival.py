"""Modules that die, fall silent or are ill: started again, replaced, or told of (manager-api W14)."""

from __future__ import annotations

import os
import signal
from contextlib import AsyncExitStack

from tests.integration.manager.conftest import Client, MakeClient, SetTimes
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


async def test_a_module_that_dies_is_started_again_with_the_configuration_it_had(
    client: Client, nodes: AsyncExitStack
) -> None:
    await start_both(client)
    os.kill(pid_of(client, "llm"), signal.SIGKILL)
    await client.until(lambda: now(client, "llm").restarts == 1)
    status = await module_status(client, "llm")
    assert (status["state"], status["trouble"]) == ("running", "")
    (said,) = await answers(client, await asked(client, nodes, HELD))
    assert said["Ok"]["tag"] == "first"


async def test_a_run_whose_module_dies_gets_no_answer_and_ends(client: Client, nodes: AsyncExitStack) -> None:
    await start_both(client)
    run_id = await asked(client, nodes, {"module": "llm", "sleep": 60}, {"module": "web"})
    await under_way(client, "llm", 1)
    os.kill(pid_of(client, "llm"), signal.SIGKILL)
    said = await answers(client, run_id)
    assert said[0] == "no answer"
    assert said[1]["Ok"]["number"] == 1


async def test_a_module_that_answers_no_ping_is_replaced(
    make_client: MakeClient, set_times: SetTimes
) -> None:
    set_times(ping_interval=0.05)
    client = await make_client()
    assert await order(client, "start", **LLM, config={"deaf": True}) == STARTED
    await client.until(lambda: now(client, "llm").restarts == 1)


async def test_a_module_that_is_ill_says_so_in_the_status(
    make_client: MakeClient, set_times: SetTimes
) -> None:
    set_times(ping_interval=0.05, missed_pings=10_000)
    client = await make_client()
    assert await order(client, "start", **WEB, config={"ill": "no browser"}) == STARTED
    await client.until(lambda: not now(client, "web").healthy)
    status = await module_status(client, "web")
    assert (status["state"], status["detail"]) == ("running", "no browser")
    assert status["counters"] == {"sessions_total": 1}


async def test_a_stopped_module_is_not_revived(client: Client) -> None:
    await start_both(client)
    os.kill(pid_of(client, "llm"), signal.SIGKILL)
    await client.until(lambda: bool(now(client, "llm").trouble))
    assert await order(client, "stop", **LLM) == (200, {"result": "module_stopped"})
    assert await order(client, "stop", **LLM) == (200, {"result": "module_not_running"})
    # A revival that was under way already may still be undone.
    await client.until(lambda: not now(client, "llm").starting)
    assert (await module_status(client, "llm"))["state"] == "stopped"

"""A run that crashes its instance under a key, through the HTTP API."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from orchestrator.executions.refusals import Refusal
from tests.integration.manager.conftest import MakeClient, listening_node


@pytest.mark.parametrize(
    ("script", "cause"),
    [
        ({"exit": 3}, "exited"),
        ({"exit": 0}, "exited"),
        ({"fail_as": ["signal", "its program was killed"]}, "signal"),
        ({"fail_as": ["exited", "its program has gone"]}, "exited"),
    ],
)
async def test_crashes_count_when_their_runs_are_forgotten(
    make_client: MakeClient, script: dict[str, Any], cause: str
) -> None:
    """Its client reads how each ended, and has enough of it."""
    client = await make_client()
    causes = []

    async def tried(key: str, script: dict[str, Any]) -> tuple[int, Any]:
        body = client.body(script)
        async with listening_node(body["host"]):
            status, answer = await client.ask(
                "POST", "/genvm/run", json=body, headers={"Idempotency-Key": key}
            )
            if status == 200:
                causes.append((await client.finished(answer["id"]))["cause"])
                await client.until(lambda: not client.manager.executions.live())
                await client.manager.executions.acknowledge(answer["id"])
                assert not client.manager.executions.knows(answer["id"])
            return status, answer

    assert [(await tried("tx-9", {}))[0] for _ in range(3)] == [200, 200, 200], "results are no crashes"
    assert [(await tried("tx-7", script))[0] for _ in range(2)] == [200, 200]
    status, answer = await tried("tx-7", {})
    assert (status, "is not tried again" in answer["error"]) == (500, True)
    assert causes[3:] == [cause, cause]


async def test_a_run_that_crashed_twice_under_its_key_is_not_tried_again(make_client: MakeClient) -> None:
    """By a client that comes with a new socket each time; nor by the next manager. Other keys go on."""
    client = await make_client()

    async def tried(key: str, script: dict[str, Any]) -> tuple[int, Any]:
        body = client.body(script)
        async with listening_node(body["host"]):
            headers = {"Idempotency-Key": key}
            status, answer = await client.ask("POST", "/genvm/run", json=body, headers=headers)
            if status == 200:
                await client.finished(answer["id"])
            return status, answer

    crash = {"signal": signal.SIGSEGV}
    assert [(await tried("tx-7", crash))[0] for _ in range(2)] == [200, 200]
    status, answer = await tried("tx-7", {})
    assert status == 500
    assert "ended its instance 2 times, the last time as run 2 with cause signal" in answer["error"]
    await client.until(lambda: not client.manager.executions.live())
    await client.leave()
    client = await make_client()
    client.hosts = 100
    assert (await tried("tx-7", {}))[0] == 500
    assert (await tried("tx-8", {}))[0] == 200
    assert client.manager.executions.refused[Refusal.POISON] == 1

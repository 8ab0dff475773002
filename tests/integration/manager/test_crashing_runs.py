"""A run that crashes its instance under a key, through the HTTP API."""

from __future__ import annotations

import signal
from typing import Any

from orchestrator.executions.refusals import Refusal
from tests.integration.manager.conftest import MakeClient, listening_node


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

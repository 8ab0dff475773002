"""What was tried and refused is counted where somebody looks who does not read logs."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from orchestrator.executions.misuse import Misuse
from tests.integration.manager.callers import ALICE, ROOT, MakeAs, make_as, tokens_file
from tests.integration.manager.conftest import Client, listening_node

__all__ = ["make_as", "tokens_file"]


async def counts(client: Client) -> dict[str, int]:
    found = (await client.ask("GET", "/status"))[1]["misuse"]
    assert list(found) == [kind.value for kind in Misuse]
    return {kind: count for kind, count in found.items() if count}


@pytest.mark.parametrize(
    ("script", "counted"),
    [
        pytest.param({"ignore": None}, {"killed": 1}, id="what ignores the order to end"),
        pytest.param({"garbage": None}, {"protocol": 1}, id="broken frames"),
        pytest.param({"print": "x"}, {}, id="nothing"),
        pytest.param({"fail": "x"}, {}, id="a failure that is told"),
    ],
)
async def test_what_an_instance_does(client: Client, script: dict[str, Any], counted: dict[str, int]) -> None:
    body = client.body(script)
    async with listening_node(body["host"]) as node:
        run_id = await client.run(body)
        await node.connected.wait()
        if "ignore" in script:
            await client.delete(run_id, wait_timeout_ms=0)
        run = client.manager.executions.find(run_id)
        if run is not None:
            await asyncio.shield(run.released)
        await client.until(lambda: client.manager.executions.find(run_id) is None)
    assert await counts(client) == counted


async def test_what_comes_to_the_door(make_as: MakeAs) -> None:
    speaking_as = await make_as()
    nobody, alice, root = [await speaking_as(name) for name in ("", ALICE, ROOT)]
    assert (await nobody.ask("GET", "/status"))[0] == 401
    assert (await alice.ask("POST", "/permits", json={"permits": 3}))[0] == 403
    assert (await alice.ask("GET", "/status", headers={"Origin": "http://evil.example"}))[0] == 403
    body = alice.body(host="169.254.169.254:80")
    assert (await alice.ask("POST", "/genvm/run", json=body))[0] == 403
    assert await counts(root) == {"host": 1, "gate": 1, "token": 2}

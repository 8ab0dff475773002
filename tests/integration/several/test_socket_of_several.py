"""The manager socket of one manager, and the runs of another."""

from __future__ import annotations

import asyncio
import json

from tests.several_managers import Several
from tests.socket_client import socket_client

HOLD = json.dumps({"print": "hello", "hold": None})


async def test_a_run_of_another_manager_is_attached_to(site: Several) -> None:
    await asyncio.gather(site.start("one"), site.start("other"))
    run_id = await site.run("one", HOLD)
    await site.until_written("other", run_id, "running")
    async with socket_client(site.sessions["other"]) as client:
        assert (await client.attach(run_id))[0] == "started"
        await site.let_go("one", run_id)
        assert (await client.ended(run_id))[0] == "finished"
        assert await client.artifact(run_id, "stdout") == b"hello"
        await client.ack(run_id)
    status, _ = await site.ask("one", "GET", f"/executions/{run_id}")
    assert status == 404

"""A row that cannot be read is set aside whole: its client is answered, and it holds nothing."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from orchestrator.executions.recovery import SET_ASIDE
from orchestrator.executions.request import ResultForm
from orchestrator.journal_location import JOURNAL_FILE
from tests.integration.manager.conftest import MakeClient, listening_node
from tests.integration.manager.journal_rows import leave_behind, queued_row

DAMAGE: dict[str, dict[str, Any]] = {
    "request": {"request": b"garbage"},
    "no request": {"request": None},
    "request and terms": {"request": b"x", "terms": b"x"},
    "state": {"state": "nonsense"},
    "deadline beyond time": {"deadline": 2**62},
    "deadline that is a text": {"deadline": "soon"},
    "accepted before time": {"accepted_at": -(2**63)},
    "permits that are a text": {"state": "running", "permits": "many"},
    "permits below none": {"state": "running", "permits": -5},
}


def damage(folder: Path, run_id: int, columns: dict[str, Any]) -> None:
    connection = sqlite3.connect(folder / "state" / JOURNAL_FILE)
    for column, value in columns.items():
        connection.execute(f"UPDATE genvm_runs SET {column} = ? WHERE id = ?", (value, run_id))
    connection.commit()
    connection.close()


@pytest.mark.parametrize("what", DAMAGE)
async def test_an_unreadable_row_is_set_aside_whole(make_client: MakeClient, folder: Path, what: str) -> None:
    rows = [queued_row(number, f"unix://{folder}/s{number}") for number in (1, 2)]
    await leave_behind(await make_client(pool_size=0), *rows)
    await asyncio.to_thread(damage, folder, 1, DAMAGE[what])
    with capture_logs():
        client = await make_client(pool_size=0)
        _, told = await client.ask("GET", "/executions/1")
        assert (told["state"], told["cause"], told["reason"]) == ("failed_to_start", "internal", SET_ASIDE)
        assert (await client.ask("GET", "/genvm/1"))[0] == 200
        assert client.manager.executions.find(1) is None
        await client.finished(2)
        listed = (await client.ask("GET", "/executions"))[1]["executions"]
        assert sorted(one["id"] for one in listed) == [1, 2]
        await client.until(lambda: not client.manager.executions.statistics().supervised)
        permits = client.manager.executions.statistics().permits
        assert (permits.in_use, permits.holders, permits.waiting) == (0, (), 0)


@pytest.mark.parametrize("waits", [True, False], ids=["a node in accept()", "a node that sees it by itself"])
async def test_the_node_of_a_run_that_was_set_aside_is_told(
    make_client: MakeClient, folder: Path, waits: bool
) -> None:
    hosts = [f"unix://{folder}/s{number}" for number in (1, 2)]
    manners = {"tell_node": waits, "result_form": ResultForm.ABSENT}
    rows = [queued_row(number, host, manners=manners) for number, host in enumerate(hosts, 1)]
    await leave_behind(await make_client(pool_size=0), *rows)
    await asyncio.to_thread(damage, folder, 1, DAMAGE["request"])
    async with listening_node(hosts[0]) as node, listening_node(hosts[1]) as other:
        with capture_logs():
            client = await make_client(pool_size=0)
            _, told = await client.ask("GET", "/genvm/1", params={"wait": "60s"})
            assert (told["status"]["cause"], told["status"]["reason"]) == ("internal", SET_ASIDE)
            if waits:
                await node.ended.wait()
            await other.connected.wait()
            await client.finished(2)
            await client.until(lambda: not client.manager.executions.statistics().supervised)
        assert (node.connections, node.received) == (int(waits), b"")


async def test_an_ended_row_whose_terms_are_unreadable_is_told_of(
    make_client: MakeClient, folder: Path
) -> None:
    client = await make_client(pool_size=0)
    run_id = await client.run(client.body())
    await client.finished(run_id)
    await client.leave()
    await asyncio.to_thread(damage, folder, run_id, {"terms": b"x"})
    client = await make_client(pool_size=0)
    assert (await client.ask("GET", f"/executions/{run_id}"))[0] == 200
    assert (await client.status(run_id))["cause"] == "upstream"

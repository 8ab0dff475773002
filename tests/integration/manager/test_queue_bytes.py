"""What waits for permits waits in the journal, within a bound, and comes back when its turn has come."""

from __future__ import annotations

import asyncio
import io
import shutil
from typing import Any

import pytest

from genvm_wire.calldata import decode
from orchestrator.executions.run import Run
from orchestrator.executions.service import Executions
from tests.integration.manager.conftest import Client, MakeClient, listening_node

MIB = 1024 * 1024


def waiting_bytes(client: Client) -> int:
    return client.manager.executions.statistics().waiting_bytes


def bulk(run: Run) -> tuple[Any, ...]:
    call = run.request.call
    return (call.code, call.calldata, call.leader_nondet_results, dict(call.message))


NO_BULK: tuple[Any, ...] = (None, None, None, {})


def live(client: Client, run_id: int) -> Run:
    run = client.manager.executions.find(run_id)
    assert run is not None
    return run


async def holder(client: Client) -> int:
    return await client.run(client.encoded("B3", {"ignore": 0}, is_sync=True))


async def test_a_queued_run_s_code_waits_in_the_journal(make_client: MakeClient) -> None:
    client = await make_client(permits=2, queue_bytes=4 * MIB)
    async with (
        listening_node(f"unix://{client.folder}/sock_1"),
        listening_node(f"unix://{client.folder}/sock_2"),
        listening_node(f"unix://{client.folder}/sock_3"),
    ):
        first, second = await holder(client), await holder(client)
        code = bytes(MIB) + b"end"
        waiting = await client.run(client.encoded("B3", {"show_job": ["code_size"]}, code=code))
        run = live(client, waiting)
        assert run.parked
        assert bulk(run) == NO_BULK
        row = await client.manager.executions.row(waiting)
        assert row is not None
        assert row.request is not None
        saved: Any = decode(row.request)
        assert saved["code"] == code
        assert waiting_bytes(client) == len(row.request)
        await client.delete(first, wait_timeout_ms=0)
        assert (await client.finished(waiting))["stdout"] == f"[{len(code)}]"
        assert waiting_bytes(client) == 0
        await client.delete(second, wait_timeout_ms=0)


async def test_too_many_bytes_in_the_queue_are_refused_with_a_reason(make_client: MakeClient) -> None:
    client = await make_client(permits=2, queue_bytes=2 * MIB)
    async with (
        listening_node(f"unix://{client.folder}/sock_1"),
        listening_node(f"unix://{client.folder}/sock_2"),
    ):
        holders = [await holder(client), await holder(client)]
        waiting = await client.run(client.encoded("B3", code=bytes(MIB)))
        async with client.session.post(
            "/genvm/run", data=io.BytesIO(client.encoded("B3", code=bytes(MIB)))
        ) as response:
            error = (await response.json())["error"]
            assert (response.status, response.headers["Retry-After"]) == (503, "2")
        assert "GENVM_QUEUE_BYTES" in error
        # What is small still fits, and what ends makes room.
        small = await client.run(client.encoded("B3"))
        await client.delete(waiting, wait_timeout_ms=0)
        large = await client.run(client.encoded("B3", code=bytes(MIB)))
        for run_id in (small, large, *holders):
            await client.delete(run_id, wait_timeout_ms=0)
        await client.until(lambda: waiting_bytes(client) == 0)


async def test_a_run_that_gets_its_permits_at_once_is_not_read_back(
    make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await make_client()
    reads: list[int] = []
    read = client.manager.executions._journal.read

    async def counted(run_id: int) -> Any:
        reads.append(run_id)
        return await read(run_id)

    monkeypatch.setattr(client.manager.executions._journal, "read", counted)
    async with listening_node(f"unix://{client.folder}/sock_1") as node:
        run_id = await client.run(client.encoded("B3", {"show_job": ["code_size"]}, code=bytes(MIB)))
        run = live(client, run_id)
        await node.connected.wait()
        await run.concluded
    assert reads == []
    assert not run.parked
    assert bulk(run) == NO_BULK


async def test_a_running_run_s_code_is_the_executor_s_only(client: Client) -> None:
    async with listening_node(f"unix://{client.folder}/sock_1"):
        run_id = await client.run(client.encoded("B3", {"print": "x", "ignore": 0}, code=bytes(MIB)))
        run = live(client, run_id)
        await client.until(lambda: run.output.stdout.total > 0)
        assert bulk(run) == NO_BULK
        await client.delete(run_id, wait_timeout_ms=0)


async def test_a_restart_leaves_queued_code_where_it_is(
    make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await make_client(permits=2)
    state = client.folder / "state"
    async with (
        listening_node(f"unix://{client.folder}/sock_1"),
        listening_node(f"unix://{client.folder}/sock_2"),
    ):
        holders = [await holder(client), await holder(client)]
        body = client.encoded("B3", {"show_job": ["code_size"]}, code=bytes(MIB), is_sync=True)
        waiting = await client.run(body)
        size = waiting_bytes(client)
        # As a manager leaves it that is killed now.
        await asyncio.to_thread(
            shutil.copytree, state, client.folder / "killed", ignore=shutil.ignore_patterns("instances")
        )
        for run_id in (waiting, *holders):
            await client.delete(run_id, wait_timeout_ms=0)
    await client.leave()
    shutil.rmtree(state)
    (client.folder / "killed").rename(state)
    seen: list[Any] = []
    reopen = Executions.reopen_queue

    def reopened(executions: Executions) -> None:
        run = executions.find(waiting)
        assert run is not None
        seen.append((run.parked, bulk(run), executions.statistics().waiting_bytes))
        reopen(executions)

    monkeypatch.setattr(Executions, "reopen_queue", reopened)
    async with listening_node(f"unix://{client.folder}/sock_3"):
        second = await make_client(permits=2)
        # The very same request is the very same run, though nobody has its code in memory.
        assert await second.run(body) == waiting
        assert (await second.finished(waiting))["stdout"] == f"[{MIB}]"
    assert seen == [(True, NO_BULK, size)]
    assert waiting_bytes(second) == 0

"""What users of such managers suffer from, and does not happen here (manager-api 7), on an unchanged wire.

W5, and W4 for a manager that is killed, are in tests/integration/recovery and tests/chaos, with containers;
W6 and W14 (modules) are beside the modules' own tests; W13 is in test_manager_api_bodies.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from genvm_wire.host_tables import ResultForm
from genvm_wire.results import ResultCode, RunResult, build
from orchestrator.api.context import CONTEXT
from orchestrator.api.times import ApiTimes
from orchestrator.journal_location import JOURNAL_FILE
from tests.integration.manager.conftest import (
    Client,
    MakeClient,
    client,
    folder,
    listening_node,
    make_client,
)

__all__ = ["client", "folder", "make_client"]

RETURNED = build(RunResult(code=ResultCode.RETURN, data=1), ResultForm.C).hex()
CLIENTS_GIVE_UP = 10.0
"""Seconds after which a client takes the manager for broken (manager-api 7, W1)."""
FOR_EVER = 3600.0
EARLY = ["A", "B1", "B2", "B3", "B4"]


def host(client: Client) -> str:
    return f"unix://{client.folder}/sock_{client.hosts}"


@pytest.mark.parametrize("generation", EARLY)
async def test_w1_early_clients_are_answered_while_permits_are_exhausted(
    make_client: MakeClient, generation: str
) -> None:
    client = await make_client(permits=2)
    async with listening_node(f"unix://{client.folder}/sock_1"):
        body = client.encoded("A", {"ignore": 0}, is_sync=False)
        holder = await client.run(body)
        waiting = await client.run(client.encoded(generation, {}))
        assert await client.status(waiting) is None
        status = (await client.ask("GET", "/status"))[1]
        assert status["queue"] == {"depth": 1, "waiting_for": "permits"}
        await client.delete(waiting, wait_timeout_ms=0)
        await client.delete(holder, wait_timeout_ms=0)


async def test_w1_the_newest_client_waits_for_a_bounded_time(make_client: MakeClient) -> None:
    client = await make_client(permits=4, start_wait=1)
    async with listening_node(f"unix://{client.folder}/sock_1"):
        holder = await client.run(client.encoded("C", {"ignore": 0}))
        status, answer = await client.ask("POST", "/genvm/run", data=client.encoded("C", host_genvm_id="tx"))
        assert (status, answer["error"]) == (
            500,
            "no capacity: the run needs 4 permits, 4 of 4 are in use and 1 runs wait: try again later",
        )
        await client.until(lambda: client.manager.executions.statistics().permits.waiting == 0)
        await client.delete(holder, wait_timeout_ms=0)
        # The answer may come before the end: the next run would wait for these permits in vain.
        await client.until(lambda: client.manager.executions.statistics().permits.in_use == 0)
    body = client.encoded("C", {"result": RETURNED}, host_genvm_id="tx")
    async with listening_node(host(client)):
        assert await client.run(body) == 3  # the run that was sent away is not taken for this one


async def test_w1_the_bound_is_below_what_clients_wait(client: Client) -> None:
    assert 0 < client.manager.app[CONTEXT].start_wait < CLIENTS_GIVE_UP


async def test_w2_a_newest_client_that_leaves_starts_nothing(make_client: MakeClient) -> None:
    client = await make_client(permits=4)
    async with listening_node(f"unix://{client.folder}/sock_1"):
        holder = await client.run(client.encoded("C", {"ignore": 0}))
        body = client.encoded("C", {"result": RETURNED})
        async with listening_node(host(client)) as node:
            asking = asyncio.create_task(client.ask("POST", "/genvm/run", data=body))
            await client.until(lambda: client.manager.executions.statistics().permits.waiting == 1)
            [queued] = [run for run in client.manager.executions.live() if run.id != holder]
            asking.cancel()
            await queued.released
            await client.delete(holder, wait_timeout_ms=0)
            await client.until(lambda: client.manager.executions.statistics().permits.in_use == 0)
    assert (queued.execution.started_at, node.connections) == (None, 0)


@contextmanager
def nothing_written(client: Client) -> Iterator[None]:
    """The manager's journal belongs to somebody else meanwhile."""
    with closing(sqlite3.connect(client.folder / "state" / JOURNAL_FILE, isolation_level=None)) as foreign:
        foreign.execute("BEGIN IMMEDIATE")
        yield
        foreign.rollback()


@pytest.mark.parametrize("path", ["/genvm/run", "/genvm/run/readonly"])
async def test_w2_one_that_leaves_while_its_run_is_written_down_starts_nothing(
    client: Client, path: str
) -> None:
    body = client.encoded("C", {"result": RETURNED}) if path == "/genvm/run" else b"# v0.2.0\n"
    headers = {"Deployment-Timestamp": "2025-01-01T00:00:00Z"}
    async with listening_node(host(client)) as node:
        with nothing_written(client):
            asking = asyncio.create_task(client.ask("POST", path, data=body, headers=headers))
            await client.until(lambda: bool(client.manager.executions.live()))
            (run,) = client.manager.executions.live()
            asking.cancel()
            await run.end
        await run.released
    assert (run.execution.started_at, node.connections) == (None, 0)


@pytest.mark.parametrize("generation", EARLY)
async def test_w2_a_retry_for_the_same_host_is_the_same_run(make_client: MakeClient, generation: str) -> None:
    client = await make_client(permits=2)
    async with listening_node(f"unix://{client.folder}/sock_1"):
        holder = await client.run(client.encoded("A", {"ignore": 0}, is_sync=False))
        body = client.encoded(generation, {})
        async with listening_node(host(client)):
            first = await client.run(body)
            assert await client.run(body) == first
            await client.delete(first, wait_timeout_ms=0)
        await client.delete(holder, wait_timeout_ms=0)


@pytest.mark.parametrize("generation", EARLY)
async def test_w3_a_run_that_never_dials_wakes_its_node(client: Client, generation: str) -> None:
    body = client.encoded(generation, {}, major=1)  # its instances die before they are ready
    async with listening_node(host(client)) as node:
        await client.run(body)
        await node.ended.wait()
    assert node.connections == 1


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"selector": {"kind": "version", "version": "v1.0.0"}}, id="died"),
        pytest.param({"extra_args": ["--surprise"]}, id="refused"),
    ],
)
async def test_w3_a_newest_node_is_not_woken(client: Client, changes: dict[str, Any]) -> None:
    body = client.encoded("C", {}, **changes)
    resting = len(client.manager.background)
    async with listening_node(host(client)) as node:
        status, _ = await client.ask("POST", "/genvm/run", data=body)
        # Whoever would wake it has done so by then.
        await client.until(lambda: len(client.manager.background) <= resting)
        await client.manager.executions.shut_down(drain=0, grace=0)
        # Connections are taken in their order: had anybody come before, it would have been counted.
        reader, writer = await asyncio.open_unix_connection(node.path)
        writer.write(b"mine\n")
        assert await reader.read(1) == b"\0"
        writer.close()
    assert (status, node.connections) == (500, 1)


@pytest.mark.parametrize("generation", EARLY)
async def test_w3_a_refused_client_is_woken(client: Client, generation: str) -> None:
    body = client.encoded(generation, {}, extra_args=["--surprise"])
    async with listening_node(host(client)) as node:
        assert (await client.ask("POST", "/genvm/run", data=body))[0] == 500
        await node.ended.wait()


@pytest.mark.parametrize("generation", ["A", "B3", "C"])
async def test_w4_results_outlive_the_manager_and_ids_are_never_used_again(
    make_client: MakeClient, generation: str
) -> None:
    first = await make_client()
    async with listening_node(f"unix://{first.folder}/sock_1"):
        run_id = await first.run(first.encoded(generation, {"result": RETURNED}))
        run = first.manager.executions.find(run_id)
        assert run is not None
        await run.released
    await first.leave()
    second = await make_client()
    second.hosts = first.hosts
    status = await second.status(run_id)
    assert (status["cause"], status["result_code"]) == ("exited", 0)
    async with listening_node(f"unix://{second.folder}/sock_2"):
        assert await second.run(second.encoded(generation, {"result": RETURNED})) > run_id


async def test_w7_lowering_permits_is_instant_and_never_over_admits(make_client: MakeClient) -> None:
    client = await make_client(permits=8)
    async with listening_node(f"unix://{client.folder}/sock_1"):
        holder = await client.run(client.encoded("C", {"ignore": 0}))
        for asked, effective in ((2, 2), (1, 2), (3, 3), (0, 3)):
            answer = await client.ask("POST", "/permits", json={"permits": asked})
            assert answer == (200, {"result": "permits_set", "permits": effective})
            assert await client.ask("GET", "/permits") == (200, {"permits": effective})
        assert (await client.ask("GET", "/status"))[1]["permits"]["current"] == 0
        queued = await client.run(client.encoded("B3"))
        assert client.manager.executions.statistics().permits.waiting == 1
        await client.delete(queued, wait_timeout_ms=0)
        await client.delete(holder, wait_timeout_ms=0)


async def test_w7_a_run_that_could_never_start_is_refused(make_client: MakeClient) -> None:
    client = await make_client(permits=2)
    answer = await client.ask("POST", "/genvm/run", data=client.encoded("C"))
    assert answer == (500, {"error": "the run needs 4 permits, the maximum is 2"})


async def test_w8_a_cheap_run_passes_a_dear_one_that_does_not_fit(make_client: MakeClient) -> None:
    client = await make_client(permits=2)
    async with listening_node(f"unix://{client.folder}/sock_1"):
        holder = await client.run(client.encoded("A", {"ignore": 0}))
        dear = await client.run(client.encoded("A", {}, is_sync=False))
        cheap = client.encoded("A", {})
        async with listening_node(host(client)):
            assert (await client.finished(await client.run(cheap)))["cause"] == "exited"
        assert await client.status(dear) is None
        for run_id in (dear, holder):
            await client.delete(run_id, wait_timeout_ms=0)


async def test_w9_permits_come_back_when_a_run_ends_though_nobody_asks(client: Client) -> None:
    body = client.encoded("A", {"hold": None})
    permits = client.manager.executions.statistics
    async with listening_node(host(client)):
        run = client.manager.executions.find(await client.run(body))
        assert run is not None
        await run.started
        assert permits().permits.in_use == 1
        client.let_go(run.execution.instance)
        await run.released
        assert permits().permits.in_use == 0


@pytest.mark.parametrize("generation", ["A", "B3", "C"])
async def test_w10_a_finished_run_is_kept_for_five_minutes_and_a_fetched_one_for_a_while(
    client: Client, generation: str
) -> None:
    body = client.encoded(generation, {"result": RETURNED})
    async with listening_node(host(client)):
        run = client.manager.executions.find(await client.run(body))
        assert run is not None
        await run.released
    outcome = run.execution.outcome
    assert outcome is not None
    executions = client.manager.executions

    def known(after: datetime, seconds: float) -> bool:
        executions._known.expire(after + timedelta(seconds=seconds))
        return executions.knows(run.id)

    assert known(outcome.finished_at, 299.9)
    fetched_before = datetime.now(UTC)
    assert (await client.status(run.id))["cause"] == "exited"
    fetched_after = datetime.now(UTC)
    assert known(fetched_before, 29.9)
    assert not known(fetched_after, 30.0)


async def test_w10_a_run_that_nobody_fetches_goes_after_its_time(client: Client) -> None:
    body = client.encoded("A", {"result": RETURNED})
    async with listening_node(host(client)):
        run = client.manager.executions.find(await client.run(body))
        assert run is not None
        await run.released
    assert run.execution.outcome is not None
    client.manager.executions._known.expire(run.execution.outcome.finished_at + timedelta(seconds=300))
    assert await client.status(run.id) is None


@pytest.mark.parametrize("generation", EARLY)
async def test_w11_a_get_after_a_delete_waits_for_the_status(client: Client, generation: str) -> None:
    body = client.encoded(generation, {"slow_delivery": 0.3})
    async with listening_node(host(client)):
        run_id = await client.run(body)
        run = client.manager.executions.find(run_id)
        assert run is not None
        await client.until(lambda: run.delivering)
        deleted, status = await asyncio.gather(
            client.delete(run_id, wait_timeout_ms=20), client.status(run_id)
        )
    assert deleted["result"] == "shutdown_completed"
    assert status["cause"] == "exited"


async def test_w11_a_get_while_the_result_is_delivered_waits_for_the_status(make_client: MakeClient) -> None:
    """Without a DELETE: a node that has been told the result asks once."""
    client = await make_client(api_times=ApiTimes(acknowledgement=FOR_EVER))
    body = client.encoded("A", {"slow_delivery": 0, "hold": None})
    async with listening_node(host(client)):
        run = client.manager.executions.find(await client.run(body))
        assert run is not None
        await client.until(lambda: run.delivering)
        waiting = len(run.concluded._callbacks)
        asking = asyncio.create_task(client.status(run.id))
        await client.until(lambda: asking.done() or len(run.concluded._callbacks) > waiting)
        client.let_go(run.execution.instance)
        assert (await asking)["cause"] == "exited"


@pytest.mark.parametrize("generation", ["A", "B3"])
async def test_w12_captured_output_is_bounded(make_client: MakeClient, generation: str) -> None:
    client = await make_client(output_tail_bytes=1000, log_records=3)
    records = [{"level": "info", "message": str(number)} for number in range(9)]
    # Far more than a piece of output, so that both are bounded: what is in a piece, and how many are kept.
    body = client.encoded(generation, {"print": "x" * 300_000 + "end", "log": records})
    async with listening_node(host(client)):
        status = await client.finished(await client.run(body))
    assert (len(status["stdout"]), status["stdout"][-3:]) == (1000, "end")
    assert [record["message"] for record in status["genvm_log"]] == ["6", "7", "8"]


async def test_w15_status_says_in_text_which_modules_run_and_permits_tell_the_maximum(client: Client) -> None:
    status = (await client.ask("GET", "/status"))[1]
    assert (status["llm_module"], status["web_module"]) == ("stopped", "stopped")
    assert await client.ask("GET", "/permits") == (200, {"permits": status["permits"]["max"]})


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ({"exit": 7}, {"cause": "exited", "exit_code": 7, "host_connected": True, "oom_killed": False}),
        ({"signal": 9}, {"cause": "signal", "exit_code": None, "host_connected": True, "oom_killed": False}),
    ],
)
@pytest.mark.parametrize("generation", ["A", "B3"])
async def test_w16_the_status_says_how_a_run_ended(
    client: Client, generation: str, script: dict[str, Any], told: dict[str, Any]
) -> None:
    body = client.encoded(generation, script)
    async with listening_node(host(client)):
        status = await client.finished(await client.run(body))
    assert {key: status[key] for key in told} == told


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        pytest.param(b"# \xff", "UTF-8", id="not text"),
        pytest.param(b"# v2.0.0\n# { oops\n", "the runner is not JSON", id="no runner"),
    ],
)
async def test_w17_a_code_that_cannot_be_read_says_so_beside_the_result(
    client: Client, code: bytes, reason: str
) -> None:
    at = {"Deployment-Timestamp": "2025-01-01T00:00:00Z"}
    status, answer = await client.ask("POST", "/contract/detect-version", data=code, headers=at)
    assert (status, answer["specified_major"]) == (200, 2)
    assert reason in answer["detection_error"]


@pytest.mark.parametrize("level", ["unsafe", "unsafe-tracing"])
@pytest.mark.parametrize("generation", ["B4", "C"])
async def test_w18_a_debug_level_above_the_ceiling_is_refused(
    client: Client, generation: str, level: str
) -> None:
    status, answer = await client.ask("POST", "/genvm/run", data=client.encoded(generation, debug_mode=level))
    assert (status, "GENVM_DEBUG_CEILING" in answer["error"]) == (500, True)


async def test_w18_the_ceiling_and_the_arguments_are_the_operator_s(make_client: MakeClient) -> None:
    client = await make_client(debug_ceiling="unsafe-tracing", allowed_arguments=["--debug-mode", "--print"])
    body = client.encoded("C", {"result": RETURNED}, debug_mode="unsafe", extra_args=["--print"])
    async with listening_node(host(client)):
        assert (await client.finished(await client.run(body)))["cause"] == "exited"


async def test_w18_the_old_switch_is_only_taken_away_by_a_low_ceiling(make_client: MakeClient) -> None:
    client = await make_client(debug_ceiling="disabled")
    body = client.encoded("A", {"show_job": ["debug"]}, extra_args=["--debug-mode"])
    async with listening_node(host(client)):
        assert (await client.finished(await client.run(body)))["stdout"] == "[False]"

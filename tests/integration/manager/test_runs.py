"""Runs through the HTTP API: what a node sees, whatever happens to the run (manager-api sections 3, 6, 7)."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest
import structlog

from orchestrator.api.times import ApiTimes
from orchestrator.executions.run import Run
from orchestrator.executions.state import Cause
from orchestrator.executions.steps import Step
from orchestrator.executions.times import Times
from orchestrator.executions.verdict import EndOrder
from orchestrator.runtime.process import ProcessInstance
from tests.integration.manager.conftest import Client, MakeClient, listening_node

FOR_EVER = 3600.0
"""Seconds: whatever waits for so long fails its test."""


async def begun(client: Client, body: dict[str, Any]) -> Run:
    """A run that has been handed over."""
    run = client.manager.executions.find(await client.run(body))
    assert run is not None
    await asyncio.shield(run.started)
    return run


async def test_a_run_delivers_to_its_node_and_keeps_its_status(client: Client) -> None:
    body = client.body({"print": "hello\n"})
    async with listening_node(body["host"]) as node:
        status = await client.finished(await client.run(body))
    assert node.received == b"result\n"
    assert node.connections == 1
    assert status["stdout"] == "hello\n"
    assert (status["cause"], status["exit_code"], status["host_connected"]) == ("exited", 0, True)
    assert isinstance(status["finished_at"], int)


async def test_the_status_has_the_keys_that_clients_index(client: Client) -> None:
    body = client.body({"log": [{"level": "info", "message": "m", "n": 2**80}]})
    async with listening_node(body["host"]):
        status = await client.finished(await client.run(body))
    assert {"finished_at", "stdout", "stderr", "genvm_log"} <= set(status)
    assert status["genvm_log"] == [{"level": "info", "message": "m", "n": 2**80}]
    assert "consumed_result" not in status


async def test_without_captured_output_the_log_is_null(client: Client) -> None:
    """manager-api 3.4, generation A."""
    body = client.body({"log": [{"level": "info", "message": "m"}]}, capture_output=False)
    async with listening_node(body["host"]):
        status = await client.finished(await client.run(body))
    assert (status["genvm_log"], status["stdout"], status["stderr"]) == (None, "", "")


async def test_a_fetched_status_can_be_fetched_again_and_is_not_counted(client: Client) -> None:
    """manager-api 3.4 [P]: a client whose first GET timed out asks again."""
    body = client.body()
    async with listening_node(body["host"]):
        run_id = await client.run(body)
        first = await client.finished(run_id)
    assert await client.status(run_id) == first
    assert (await client.ask("GET", "/status"))[1]["executions"] == {}


async def test_a_fetched_status_is_gone_after_its_grace(make_client: MakeClient) -> None:
    client = await make_client(refetch_grace=0, retention=12)
    body = client.body()
    async with listening_node(body["host"]):
        run_id = await client.run(body)
        assert await client.finished(run_id) is not None
    await client.until(lambda: not client.manager.executions.knows(run_id))
    assert await client.status(run_id) is None


async def test_the_probe_of_a_healthy_run_answers_null_at_once(make_client: MakeClient) -> None:
    """W11: only the GET after a DELETE may wait."""
    client = await make_client(api_times=ApiTimes(last_get=FOR_EVER))
    body = client.body({"wait_for_host": None})
    async with listening_node(body["host"]) as node:
        run = await begun(client, body)
        run_id = run.id
        assert await client.status(run_id) is None
        node.hang_up.set()
        assert (await client.finished(run_id))["cause"] == "upstream"


async def test_a_run_is_answered_while_it_waits_for_permits(make_client: MakeClient) -> None:
    """W1: accepted early, visible, null when probed, and started when a permit returns."""
    client = await make_client(permits=2)
    first, second = client.body({"wait_for_host": None}, is_sync=False), client.body(is_sync=False)
    async with listening_node(first["host"]) as holder, listening_node(second["host"]) as waiter:
        first_id = await client.run(first)
        second_id = await client.run(second)
        assert await client.status(second_id) is None
        status = (await client.ask("GET", "/status"))[1]
        assert status["queue"] == {"depth": 1, "waiting_for": "permits"}
        assert (status["permits"]["current"], status["permits"]["max"]) == (0, 2)
        holder.hang_up.set()
        assert (await client.finished(first_id))["cause"] == "upstream"
        assert (await client.finished(second_id))["cause"] == "exited"
        assert waiter.received == b"result\n"


async def test_raising_the_permits_starts_what_waits(make_client: MakeClient) -> None:
    client = await make_client(permits=2)
    first, second = client.body({"wait_for_host": None}, is_sync=False), client.body(is_sync=False)
    async with listening_node(first["host"]) as holder, listening_node(second["host"]):
        await client.run(first)
        second_id = await client.run(second)
        assert await client.ask("POST", "/permits", json={"permits": 4}) == (
            200,
            {"result": "permits_set", "permits": 4},
        )
        assert (await client.finished(second_id))["cause"] == "exited"
        holder.hang_up.set()


async def test_a_full_queue_refuses_at_once_and_wakes_the_node(make_client: MakeClient) -> None:
    client = await make_client(permits=2, queue_limit=0)
    first, second = client.body({"wait_for_host": None}, is_sync=False), client.body()
    async with listening_node(first["host"]) as holder, listening_node(second["host"]) as refused:
        await client.run(first)
        status, answer = await client.ask("POST", "/genvm/run", json=second)
        assert status == 503
        assert "try again later" in answer["error"]
        await refused.ended.wait()
        holder.hang_up.set()


async def test_the_same_request_again_is_the_same_run_while_nobody_connected(make_client: MakeClient) -> None:
    """W2: a client that retries never multiplies a run."""
    client = await make_client(permits=2)
    first, second = client.body({"wait_for_host": None}, is_sync=False), client.body()
    async with listening_node(first["host"]) as holder, listening_node(second["host"]) as node:
        await client.run(first)
        run_id = await client.run(second)
        assert await client.run(second) == run_id
        holder.hang_up.set()
        await client.finished(run_id)
        assert node.connections == 1


async def test_an_idempotency_key_names_one_run(client: Client) -> None:
    body = client.body()
    headers = {"Idempotency-Key": "tx-7"}
    async with listening_node(body["host"]):
        _, first = await client.ask("POST", "/genvm/run", json=body, headers=headers)
        await client.finished(first["id"])
        _, again = await client.ask("POST", "/genvm/run", json=body | {"is_sync": False}, headers=headers)
    assert again == first


async def test_an_idempotency_key_is_its_node_s_socket_s(make_client: MakeClient) -> None:
    """Two nodes name one transaction alike; each waits for a run of its own, before and after a restart."""
    client = await make_client()
    one, other = client.body(), client.body()
    headers = {"Idempotency-Key": "tx-7"}

    async def asked(body: dict[str, Any]) -> int:
        return int((await client.ask("POST", "/genvm/run", json=body, headers=headers))[1]["id"])

    async with listening_node(one["host"]), listening_node(other["host"]) as second:
        ids = [await asked(one), await asked(other)]
        for run_id in ids:
            await client.finished(run_id)
        assert second.received == b"result\n"
        assert ids == [1, 2]
        assert [await asked(one), await asked(other)] == ids
        await client.until(lambda: not client.manager.executions.live())
        await client.leave()
        client = await make_client()
        assert [await asked(one), await asked(other)] == ids


async def test_the_log_has_the_trace_of_the_client_and_the_steps_of_the_run(client: Client) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    body = client.body()
    merged: list[Any] = [structlog.contextvars.merge_contextvars]
    with structlog.testing.capture_logs(processors=merged) as lines:
        async with listening_node(body["host"]):
            headers = {"traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
            _, answer = await client.ask("POST", "/genvm/run", json=body, headers=headers)
            await client.finished(answer["id"])
            await client.until(lambda: client.manager.executions.find(answer["id"]) is None)
    (ended,) = [line for line in lines if line["event"] == "run_ended"]
    assert (ended["run"], ended["trace"]) == (answer["id"], trace)
    assert list(ended["steps"]) == [step.value for step in Step if step is not Step.INTERRUPTED]
    assert ended["seconds"] == pytest.approx(sum(ended["steps"].values()), abs=0.001)


async def test_a_run_whose_node_left_while_it_was_queued_starts_nothing(make_client: MakeClient) -> None:
    """W2: the host's socket file is gone when its turn comes."""
    client = await make_client(permits=2)
    first, second = client.body({"wait_for_host": None}, is_sync=False), client.body()
    async with listening_node(first["host"]) as holder:
        await client.run(first)
        run_id = await client.run(second)
        holder.hang_up.set()
        status = await client.finished(run_id)
    assert (status["state"], status["cause"], status["host_connected"]) == (
        "failed_to_start",
        "upstream",
        False,
    )
    assert status["container_id"] is None


@pytest.mark.parametrize(
    ("changes", "cause", "text"),
    [
        ({"major": 9}, "internal", "no compatible version found for major 9"),
        ({"major": 1}, "engine", "exited with code 9"),
        ({"major": 2}, "engine", "no-such-program"),
    ],
    ids=["no version", "dies before it is ready", "cannot be started"],
)
async def test_a_run_that_dies_before_it_connects_wakes_its_node(
    client: Client, changes: dict[str, Any], cause: str, text: str
) -> None:
    """W3: the node's accept() returns, it sees end of stream, and the status is there when it asks."""
    body = client.body(**changes)
    async with listening_node(body["host"]) as node:
        run_id = await client.run(body)
        status = await client.finished(run_id)
        await node.ended.wait()
    assert (status["cause"], status["host_connected"]) == (cause, False)
    assert text in status["error"]
    assert (node.connections, node.received) == (1, b"")


async def test_a_run_to_a_host_that_does_not_listen_fails_and_says_so(client: Client) -> None:
    body = client.body(host="127.0.0.1:9")
    status = await client.finished(await client.run(body))
    assert (status["cause"], status["state"]) == ("upstream", "failed_to_start")
    assert "127.0.0.1:9" in status["error"]


@pytest.mark.parametrize(
    ("script", "cause", "exit_code"),
    [
        ({"exit": 3}, "exited", 3),
        ({"exit": 0}, "exited", 0),
        ({"signal": 11}, "signal", None),
        ({"signal": 14}, "deadline", None),
        ({"garbage": None}, "protocol", None),
    ],
)
async def test_an_instance_that_ends_without_a_result_is_told_apart(
    client: Client, script: dict[str, Any], cause: str, exit_code: int | None
) -> None:
    """W16: killed and crashed runs look different over HTTP."""
    body = client.body(script)
    async with listening_node(body["host"]):
        status = await client.finished(await client.run(body))
    assert (status["cause"], status["exit_code"]) == (cause, exit_code)
    assert status["error"]


async def test_a_flood_of_messages_starves_nobody(client: Client) -> None:
    """hostile-container 17: as fast as the channel takes them, and the service goes on answering."""
    body = client.body({"flood": None})
    async with listening_node(body["host"]):
        run_id = await client.run(body)
        run = client.manager.executions.find(run_id)
        assert run is not None
        await client.until(lambda: run.output.stdout.total > 32 * 1024 * 1024)
        assert (await client.ask("GET", "/status"))[0] == 200
        await client.delete(run_id, wait_timeout_ms=20)
        status = await client.finished(run_id)
    assert status["cause"] == "cancelled"
    assert len(status["stdout"]) <= 4 * 1024 * 1024


@pytest.mark.parametrize(
    "message",
    [
        {"kind": "output", "stream": "stdout", "offset": 2**70, "data": "x"},
        {"kind": "output", "stream": "stdin", "offset": 0, "data": "x"},
        {"kind": "result", "run": 999, "code": 0, "payload": "x", "delivered": True},
        {"kind": "result", "code": 0},
        {"kind": "log", "records": "x"},
        {"kind": "ready"},
    ],
    ids=lambda message: str(message)[:40],
)
async def test_a_message_that_makes_no_sense_ends_the_run(client: Client, message: dict[str, Any]) -> None:
    body = client.body({"say": message})
    async with listening_node(body["host"]):
        assert (await client.finished(await client.run(body)))["cause"] == "protocol"


async def test_a_failure_s_text_may_be_anything(client: Client) -> None:
    body = client.body({"fail": "nul \0 and \u20ac"})
    async with listening_node(body["host"]):
        status = await client.finished(await client.run(body))
    assert (status["cause"], status["error"]) == ("internal", "nul \ufffd and \u20ac")


async def test_output_of_a_crashed_instance_is_kept(client: Client) -> None:
    body = client.body({"print": "last words", "exit": 1})
    async with listening_node(body["host"]):
        assert (await client.finished(await client.run(body)))["stdout"] == "last words"


async def test_a_broken_channel_is_picked_up_again(client: Client) -> None:
    body = client.body({"print": "before", "reconnect": None})
    async with listening_node(body["host"]):
        status = await client.finished(await client.run(body))
    assert (status["cause"], status["stdout"]) == ("exited", "before")


@pytest.mark.parametrize("script", [{"obey": None}, {"ignore": None}])
async def test_the_deadline_ends_a_run_that_obeys_and_one_that_does_not(
    client: Client, script: dict[str, Any]
) -> None:
    body = client.body(script)
    async with listening_node(body["host"]):
        run = await begun(client, body)
        run_id = run.id
        run.arm_deadline(0, EndOrder(Cause.DEADLINE, 0.2))
        assert (await client.finished(run_id))["cause"] == "deadline"


async def test_the_deadline_counts_while_a_run_is_queued(make_client: MakeClient) -> None:
    client = await make_client(permits=2)
    first, second = client.body({"wait_for_host": None}, is_sync=False), client.body(max_execution_minutes=0)
    async with listening_node(first["host"]) as holder, listening_node(second["host"]) as waiting:
        await client.run(first)
        status = await client.finished(await client.run(second))
        assert (status["cause"], status["host_connected"]) == ("deadline", False)
        await waiting.ended.wait()
        holder.hang_up.set()


@pytest.mark.parametrize("script", [{"obey": None}, {"ignore": None}])
async def test_delete_ends_a_running_run_well_inside_the_client_s_timeout(
    make_client: MakeClient, script: dict[str, Any]
) -> None:
    """manager-api 6.1: wait_timeout_ms=20, 1.5 s read timeout, then one GET."""
    assert ApiTimes().quick_delete < 1.5
    # The answer comes with the run's end, long before a client's default grace of 30 s.
    client = await make_client(api_times=ApiTimes(quick_delete=FOR_EVER))
    body = client.body(script)
    async with listening_node(body["host"]):
        run = await begun(client, body)
        run_id = run.id
        answer = await client.delete(run_id, wait_timeout_ms=20)
        assert answer == {"result": "shutdown_completed", "genvm_id": run_id}
        assert run.released.done()
        assert (await client.status(run_id))["cause"] == "cancelled"


async def test_a_quick_delete_is_answered_though_the_instance_cannot_be_taken_away(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """manager-api 6.1: the engine may take its time, the client does not."""
    may_go, destroy = asyncio.Event(), ProcessInstance.destroy

    async def late(instance: ProcessInstance) -> None:
        await may_go.wait()
        await destroy(instance)

    monkeypatch.setattr(ProcessInstance, "destroy", late)
    body = client.body({"ignore": None})
    async with listening_node(body["host"]):
        run = await begun(client, body)
        run_id = run.id
        answer = await client.delete(run_id, wait_timeout_ms=20)
        assert (answer, run.released.done()) == (
            {"result": "shutdown_completed", "genvm_id": run_id},
            False,
        )
        may_go.set()
        await asyncio.shield(run.released)


async def test_delete_of_a_queued_run_takes_no_permit(make_client: MakeClient) -> None:
    client = await make_client(permits=2)
    first, second = client.body({"wait_for_host": None}, is_sync=False), client.body()
    async with listening_node(first["host"]) as holder, listening_node(second["host"]) as queued:
        await client.run(first)
        run_id = await client.run(second)
        assert (await client.delete(run_id))["result"] == "shutdown_completed"
        status = await client.status(run_id)
        assert (status["cause"], status["exit_code"], status["host_connected"]) == ("cancelled", None, False)
        await queued.ended.wait()
        holder.hang_up.set()


async def test_a_delete_while_the_result_is_delivered_cuts_nothing(make_client: MakeClient) -> None:
    """manager-api 6.1: the final DELETE arrives while the executor is still leaving."""
    # Longer than this machine may keep the instance waiting.
    client = await make_client(times=Times(finishing_grace=FOR_EVER))
    body = client.body({"print": "all of it", "slow_delivery": 0.4})
    async with listening_node(body["host"]):
        run_id = await client.run(body)
        run = client.manager.executions.find(run_id)
        assert run is not None
        await client.until(lambda: run.delivering)
        await client.delete(run_id, wait_timeout_ms=20)
        status = await client.finished(run_id)
    assert (status["cause"], status["stdout"]) == ("exited", "all of it")


async def test_a_node_that_takes_no_outcome_is_not_kept_waiting(make_client: MakeClient) -> None:
    """Generation A raises an internal error that it is told, and looks at its probe before it hangs up."""
    client = await make_client(
        times=Times(finishing_grace=0.1), api_times=ApiTimes(last_get=FOR_EVER, acknowledgement=0.1)
    )
    body = client.body({"slow_delivery": FOR_EVER})
    async with listening_node(body["host"]):
        run_id = await client.run(body)
        run = client.manager.executions.find(run_id)
        assert run is not None
        await client.until(lambda: run.delivering)
        assert await client.status(run_id) is None
        await client.delete(run_id, wait_timeout_ms=20)
        assert (await client.status(run_id))["cause"] == "cancelled"


async def test_delete_is_idempotent_and_never_removes_the_status(client: Client) -> None:
    body = client.body()
    async with listening_node(body["host"]):
        run_id = await client.run(body)
        run = client.manager.executions.find(run_id)
        assert run is not None
        await asyncio.shield(run.released)
    done = {"result": "shutdown_completed", "genvm_id": run_id}
    assert await client.delete(run_id) == done
    assert await client.delete(run_id, wait_timeout_ms=20) == done
    assert (await client.status(run_id))["cause"] == "exited"


async def test_delete_of_an_unknown_run_answers_200(client: Client) -> None:
    assert await client.ask("DELETE", "/genvm/77") == (
        200,
        {"error": "GenVM with id 77 not found", "genvm_id": 77},
    )


async def test_a_client_that_leaves_before_the_start_cancels_its_run(make_client: MakeClient) -> None:
    """W2, where a run is answered only when it started."""
    client = await make_client(permits=2, accept_early=False, start_wait=FOR_EVER)
    first, second = client.body({"wait_for_host": None}, is_sync=False), client.body()
    async with listening_node(first["host"]) as holder, listening_node(second["host"]) as queued:
        first_id = await client.run(first)
        leaving = asyncio.create_task(client.run(second))
        await client.until(lambda: client.manager.executions.statistics().permits.waiting == 1)
        run = client.manager.executions.find(first_id + 1)
        assert run is not None
        leaving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await leaving
        assert (await run.concluded).cause == "cancelled"
        await client.until(lambda: not client.manager.executions.knows(run.id))  # nobody has its id
        await queued.ended.wait()
        holder.hang_up.set()


async def test_an_answer_at_the_start_tells_why_there_was_none(make_client: MakeClient) -> None:
    client = await make_client(accept_early=False)
    status, answer = await client.ask("POST", "/genvm/run", json=client.body(major=9))
    assert (status, answer) == (500, {"error": "no compatible version found for major 9"})


async def test_many_runs_at_once_leave_nothing(make_client: MakeClient) -> None:
    """Every way to end, mixed, more runs than permits; the fixture looks at what is left."""
    client = await make_client(permits=3)
    scripts: list[dict[str, Any]] = [{}, {"exit": 1}, {"ignore": None}, {"garbage": None}, {"signal": 9}]
    async with contextlib.AsyncExitStack() as nodes:
        ids = []
        for number in range(25):
            body = client.body(scripts[number % 5], is_sync=bool(number % 2))
            if number % 7:
                await nodes.enter_async_context(listening_node(body["host"]))
            ids.append(await client.run(body))
        ends = [asyncio.create_task(client.finished(run_id)) for run_id in ids]
        stuck = [run_id for number, run_id in enumerate(ids) if number % 5 == 2]
        await asyncio.gather(*(client.delete(run_id, wait_timeout_ms=20) for run_id in stuck))
        statuses = await asyncio.gather(*ends)
    assert all(status["cause"] for status in statuses)


async def test_shutting_down_refuses_new_runs_and_ends_the_others(client: Client) -> None:
    body = client.body({"ignore": None})
    async with listening_node(body["host"]):
        run = await begun(client, body)
        run_id = run.id
        ending = asyncio.create_task(client.manager.executions.shut_down(drain=0, grace=0))
        assert (await client.finished(run_id))["cause"] == "shutdown"
        await ending
    status, answer = await client.ask("POST", "/genvm/run", json=client.body())
    assert (status, answer["error"]) == (503, "the manager is shutting down")

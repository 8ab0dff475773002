"""`/executions` and what is below it: the operator's view, which changes nothing that it reads."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from typing import Any

import pytest

from orchestrator.api.large_answers import GROWN, LARGE_ANSWERS
from tests.integration.manager.conftest import Client, MakeClient, listening_node
from tests.raw_http import request, until_the_end

PRINTED = 100_000


async def ended(client: Client, script: dict[str, Any] | None = None, **changes: Any) -> int:
    """The id of a run that has ended, its instance included."""
    body = client.body(script, **changes)
    async with AsyncExitStack() as nodes:
        if body["host"].startswith("unix://"):
            await nodes.enter_async_context(listening_node(body["host"]))
        run_id = await client.run(body)
        run = client.manager.executions.find(run_id)
        if run is not None:
            await asyncio.shield(run.released)
    await client.until(lambda: client.manager.executions.find(run_id) is None)
    return run_id


async def listed(client: Client, **query: Any) -> Any:
    status, answer = await client.ask("GET", "/executions", params=query)
    assert status == 200, answer
    return answer


def ids(answer: Any) -> list[int]:
    return [run["id"] for run in answer["executions"]]


async def test_live_ended_and_fetched_runs_are_listed_newest_first(client: Client) -> None:
    first, second = await ended(client), await ended(client)
    assert await client.status(first) is not None
    body = client.body({"wait_for_host": None})
    async with listening_node(body["host"]) as node:
        third = await client.run(body)
        answer = await listed(client)
        node.hang_up.set()
        await client.finished(third)
    assert ids(answer) == [third, second, first]
    assert [run["fetched_at"] is None for run in answer["executions"]] == [True, True, False]
    assert [run["cause"] for run in answer["executions"]] == [None, "exited", "exited"]


async def test_reading_takes_nothing_away(client: Client) -> None:
    run_id = await ended(client, {"print": "kept"})
    before = (await client.ask("GET", "/status"))[1]
    first = await client.ask("GET", f"/executions/{run_id}", params={"output": "true"})
    assert await client.ask("GET", f"/executions/{run_id}", params={"output": "true"}) == first
    await listed(client)
    assert (await client.ask("GET", "/status"))[1]["executions"] == before["executions"]
    assert first[1]["fetched_at"] is None
    assert (await client.status(run_id))["stdout"] == "kept"


async def test_pages_follow_each_other_both_ways(client: Client) -> None:
    runs = [await ended(client) for _ in range(5)]
    page = await listed(client, limit=2)
    assert (ids(page), page["next"]) == ([runs[4], runs[3]], {"before": runs[3]})
    page = await listed(client, limit=2, **page["next"])
    assert (ids(page), page["next"]) == ([runs[2], runs[1]], {"before": runs[1]})
    page = await listed(client, limit=2, **page["next"])
    assert (ids(page), page["next"]) == ([runs[0]], None)
    page = await listed(client, limit=3, after=0)
    assert (ids(page), page["next"]) == (runs[:3], {"after": runs[2]})
    page = await listed(client, limit=3, **page["next"])
    assert (ids(page), page["next"]) == (runs[3:], None)


async def test_runs_are_chosen_by_state_cause_and_time(client: Client) -> None:
    fine = await ended(client)
    killed = await ended(client, {"signal": 9})
    unknown = await ended(client, major=9, host="127.0.0.1:9")
    since = (await client.ask("GET", f"/executions/{killed}"))[1]["accepted_at"]
    assert ids(await listed(client, cause="exited")) == [fine]
    assert ids(await listed(client, cause="exited,signal")) == [killed, fine]
    assert ids(await listed(client, state="failed_to_start")) == [unknown]
    assert ids(await listed(client, state="finished", since=since)) == [killed]
    assert ids(await listed(client, state="queued")) == []


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"},
        {"limit": "501"},
        {"limit": "x"},
        {"before": "-1"},
        {"after": "1.5"},
        {"state": "asleep"},
        {"cause": "bad luck"},
        {"since": "yesterday"},
    ],
    ids=lambda query: "=".join(*query.items()),
)
async def test_a_wrong_query_is_named(client: Client, query: dict[str, str]) -> None:
    status, answer = await client.ask("GET", "/executions", params=query)
    assert status == 400
    assert next(iter(query)) in answer["error"]


async def test_the_list_tells_how_much_is_kept(client: Client) -> None:
    await ended(client, {"print": "x" * 1000})
    retained = (await listed(client))["retained"]
    assert retained["executions"] == 1
    assert retained["bytes"] >= 1000
    assert retained["journal_bytes"] > 0


async def test_an_ended_run_is_told_in_full(client: Client) -> None:
    body = client.body({"print": "out", "log": [{"level": "info", "message": "m"}]}, is_sync=False)
    async with listening_node(body["host"]):
        run_id = await client.run(body)
        await client.finished(run_id)
        await client.until(lambda: client.manager.executions.find(run_id) is None)
    _, told = await client.ask("GET", f"/executions/{run_id}")
    assert told["accepted_at"] <= told["started_at"] <= told["finished_at"] <= told["deadline"]
    assert told["host"] == body["host"]
    assert told["instance"] == f"run-{run_id}"
    assert told["container_id"]
    facts = ("state", "cause", "reason", "version", "permits", "permits_held", "exit_code", "oom_killed")
    assert [told[key] for key in facts] == ["finished", "exited", None, "v0.2.7", 2, 0, 0, False]
    assert (told["host_connected"], told["delivered"], told["result_code"], told["result_bytes"]) == (
        True,
        True,
        0,
        2,
    )
    assert told["output"] == {
        "stdout": {"kept_bytes": 3, "total_bytes": 3},
        "stderr": {"kept_bytes": 0, "total_bytes": 0},
        "log": {"kept_records": 1},
    }
    assert "stdout" not in told


async def test_what_is_not_taken_of_what_was_printed_is_charged(client: Client) -> None:
    """What is kept of it is far from the largest there is, and six times as long in JSON."""
    answers = client.manager.app[LARGE_ANSWERS]
    run_id = await ended(client, {"print": "\x01" * PRINTED})
    address = str(client.folder / "api.sock")
    reader, writer = await asyncio.open_unix_connection(address, limit=1)
    writer.write(request("GET", f"/executions/{run_id}?output=true", "Host: m", "Connection: close"))
    await client.until(lambda: answers.held > GROWN * PRINTED)
    assert (await client.ask("GET", f"/executions/{run_id}"))[0] == 200
    assert len(await until_the_end(reader)) > GROWN * PRINTED
    await client.until(lambda: answers.held == 0)
    writer.close()


async def test_output_comes_when_it_is_asked_for(client: Client) -> None:
    run_id = await ended(client, {"print": "out", "log": [{"message": "m"}]})
    _, told = await client.ask("GET", f"/executions/{run_id}", params={"output": "true"})
    assert (told["stdout"], told["stderr"], told["log"]) == ("out", "", [{"message": "m"}])


async def test_a_live_run_is_told_with_what_it_has_printed_so_far(client: Client) -> None:
    body = client.body({"print": "so far", "wait_for_host": None})
    async with listening_node(body["host"]) as node:
        run_id = await client.run(body)
        run = client.manager.executions.find(run_id)
        assert run is not None
        await client.until(lambda: run.output.stdout.total > 0)
        _, told = await client.ask("GET", f"/executions/{run_id}", params={"output": "1"})
        node.hang_up.set()
        await client.finished(run_id)
    assert (told["state"], told["cause"], told["finished_at"]) == ("running", None, None)
    assert (told["permits_held"], told["host_dialled"], told["stdout"]) == (1, True, "so far")


async def test_a_run_tells_the_same_keys_whether_it_lives_or_not(client: Client) -> None:
    body = client.body({"wait_for_host": None})
    async with listening_node(body["host"]) as node:
        run_id = await client.run(body)
        _, live = await client.ask("GET", f"/executions/{run_id}", params={"output": "true"})
        node.hang_up.set()
        await client.finished(run_id)
        await client.until(lambda: client.manager.executions.find(run_id) is None)
    _, over = await client.ask("GET", f"/executions/{run_id}", params={"output": "true"})
    assert sorted(live) == sorted(over)


async def test_host_data_is_never_shown(client: Client) -> None:
    run_id = await ended(client, {"print": "x"}, host_data=json.dumps({"sleep": 0.000123}))
    answers = [await client.ask("GET", path) for path in ("/executions", f"/executions/{run_id}?output=true")]
    assert "0.000123" not in json.dumps(answers)
    assert "host_data" not in json.dumps(answers)


@pytest.mark.parametrize("run_id", ["99", "abc", "-1", str(2**64)])
async def test_an_unknown_run_is_not_found_by_its_name(client: Client, run_id: str) -> None:
    status, answer = await client.ask("GET", f"/executions/{run_id}")
    assert (status, f"run {run_id} is not known" in answer["error"]) == (404, True)


async def test_a_run_past_its_retention_is_gone_from_the_list(make_client: MakeClient) -> None:
    client = await make_client(retention=0.2)
    run_id = await ended(client)
    await client.until(lambda: not client.manager.executions.knows(run_id))
    assert ids(await listed(client)) == []
    assert (await client.ask("GET", f"/executions/{run_id}"))[0] == 404


async def test_gc_removes_what_belongs_to_no_run_and_says_why(client: Client) -> None:
    over = await ended(client)
    body = client.body({"wait_for_host": None})
    async with listening_node(body["host"]) as node:
        live = await client.run(body)
        run = client.manager.executions.find(live)
        assert run is not None
        await asyncio.shield(run.started)
        instances = client.folder / "state" / "instances"
        for name in (f"run-{over}", "run-999", "stray"):
            (instances / name).mkdir()
        status, answer = await client.ask("POST", "/executions/gc")
        node.hang_up.set()
        assert (await client.finished(live))["cause"] == "upstream"
    assert status == 200
    assert answer == {
        "removed": [
            {"name": f"run-{over}", "reason": "run_ended"},
            {"name": "run-999", "reason": "run_unknown"},
            {"name": "stray", "reason": "no_run"},
        ],
        "reasons": {"run_ended": 1, "run_unknown": 1, "no_run": 1},
    }


async def test_a_dry_run_of_the_api_s_gc_removes_nothing(client: Client) -> None:
    stray = client.folder / "state" / "instances" / "stray"
    stray.mkdir(parents=True)
    status, answer = await client.ask("POST", "/executions/gc", params={"dry_run": "true"})
    assert (status, stray.is_dir()) == (400, True)
    assert "nothing was removed" in answer["error"]
    await client.ask("POST", "/executions/gc")


async def test_a_head_request_takes_no_status_away(client: Client) -> None:
    """Its answer has no body to tell the status in."""
    run_id = await ended(client)
    for path in (f"/genvm/{run_id}", f"/executions/{run_id}", "/executions", "/status"):
        async with client.session.head(path) as response:
            assert response.status == (404 if path.startswith("/genvm") else 200)
    assert str(run_id) in (await client.ask("GET", "/status"))[1]["executions"]
    assert await client.status(run_id) is not None

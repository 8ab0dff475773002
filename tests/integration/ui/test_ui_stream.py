"""What pages cost: one snapshot for all, and nothing piles up for who does not read."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from aiohttp import ClientError, ClientResponse

from genvm_wire.calldata import encode
from orchestrator.api.context import CONTEXT
from orchestrator.api.times import ApiTimes
from orchestrator.api.ui.files import FILES, POLICY
from orchestrator.api.ui.readers import MOST, MOST_OF_ONE, Readers
from orchestrator.api.ui.route import READERS
from orchestrator.executions.ended import EndedRun
from orchestrator.metrics.history import History
from tests.integration.manager.callers import ALICE, BOB, READER, ROOT, MakeAs, TokensFile
from tests.integration.manager.conftest import Client, MakeClient
from tests.integration.ui.conftest import PROMPT, ended_run

TAKEN = {"Accept": "text/event-stream"}


@asynccontextmanager
async def looking(client: Client) -> AsyncIterator[ClientResponse]:
    async with client.session.get("/ui/events", headers=TAKEN) as response:
        assert (response.status, response.content_type) == (200, "text/event-stream")
        yield response


async def told(response: ClientResponse, wanted: str) -> dict[str, Any]:
    """The next event of that name."""
    while True:
        name = (await response.content.readline()).decode().removeprefix("event: ").strip()
        data = (await response.content.readline()).decode().removeprefix("data: ")
        assert await response.content.readline() == b"\n"
        if name == wanted:
            found: dict[str, Any] = json.loads(data)
            return found


async def told_of(response: ClientResponse, run_id: int) -> dict[str, Any]:
    """The first snapshot in which that run has ended."""
    while True:
        snapshot = await told(response, "snapshot")
        if any(run["id"] == run_id and run["finished_at"] for run in snapshot["recent"]):
            return snapshot


def readers_of(client: Client) -> Readers:
    return client.manager.app[READERS]


def revise(client: Client) -> None:
    """Something changes, as far as a page knows."""
    client.manager.executions._known.changed()


async def test_a_page_is_told_who_looks_then_how_things_are_then_what_changes(client: Client) -> None:
    async with looking(client) as response:
        hello = await told(response, "hello")
        assert (hello["tokens"], hello["namespace"], hello["may_operate"]) == (False, None, False)
        first = await told(response, "snapshot")
        assert first["status"]["permits"] == (await client.ask("GET", "/status"))[1]["permits"]
        run_id = await ended_run(client, {})
        assert (await told_of(response, run_id))["recent"][0]["cause"] == "exited"


async def test_what_is_no_stream_is_answered_at_once(client: Client) -> None:
    status, answer = await client.ask("GET", "/ui/events")
    assert status == 406
    assert "text/event-stream" in answer["error"]


async def test_ten_readers_cost_one_snapshot_and_none_costs_nothing(client: Client) -> None:
    readers = readers_of(client)
    async with looking(client) as first:
        await told(first, "snapshot")
        made = readers.made
        others = [looking(client) for _ in range(9)]
        responses = [await one.__aenter__() for one in others]
        for response in responses:
            await told(response, "snapshot")
        # Fewer than one each: something else may have changed meanwhile.
        assert readers.made < made + 9
        made = readers.made
        revise(client)
        for response in (first, *responses):
            await told(response, "snapshot")
        assert made < readers.made < made + 9
        for one in others:
            await one.__aexit__(None, None, None)
    await client.until(lambda: len(readers) == 0 and readers.is_idle)
    made = readers.made
    revise(client)
    await asyncio.sleep(0)
    assert readers.made == made


async def test_who_does_not_read_is_owed_one_snapshot_and_hung_up_on(make_client: MakeClient) -> None:
    """However many there were meanwhile, and whoever reads beside it loses nothing."""
    times = ApiTimes(page=0.005, page_patience=0.5)
    client = await make_client(socket=None, port=0, api_times=times)
    readers = readers_of(client)
    address = urlsplit(client.address)
    async with looking(client) as response:
        await told(response, "snapshot")
        _, writer = await asyncio.open_connection(address.hostname, address.port)
        assert isinstance(writer.transport, asyncio.Transport)
        writer.transport.pause_reading()
        head = f"GET /ui/events HTTP/1.1\r\nHost: {address.netloc}\r\nAccept: {TAKEN['Accept']}\r\n\r\n"
        writer.write(head.encode())
        await client.until(lambda: len(readers) == 2)
        name = writer.get_extra_info("sockname")
        [stuck] = [one.transport for one in readers.open if one.transport.get_extra_info("peername") == name]
        # The kernel takes little for it, so that it is seen soon what the manager holds.
        stuck.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        most, snapshots = 0, 0
        while len(readers) == 2:
            revise(client)
            snapshot = await told(response, "snapshot")
            snapshots += 1
            most = max(most, stuck.get_write_buffer_size())
        assert snapshots > 10
        assert 0 < most <= 2 * len(json.dumps(snapshot))
        assert stuck.is_closing()
        writer.close()


async def test_there_is_a_most_of_readers(client: Client) -> None:
    async with AsyncExitStack() as pages:
        for _ in range(MOST):
            await pages.enter_async_context(looking(client))
        async with client.session.get("/ui/events", headers=TAKEN) as refused:
            assert refused.status == 503
            assert "Retry-After" in refused.headers
    await client.until(lambda: len(readers_of(client)) == 0)
    async with looking(client) as again:
        await told(again, "snapshot")


async def test_a_token_leaves_others_their_pages(make_as: MakeAs) -> None:
    speaking_as = await make_as(api_times=PROMPT)
    reader, root = await speaking_as(READER), await speaking_as(ROOT)
    async with AsyncExitStack() as pages:
        for _ in range(MOST_OF_ONE):
            await pages.enter_async_context(looking(reader))
        async with reader.session.get("/ui/events", headers=TAKEN) as refused:
            assert refused.status == 503
        async with looking(root) as roots:
            await told(roots, "snapshot")


async def test_a_namespace_sees_its_own_runs_and_nobody_elses(make_as: MakeAs) -> None:
    speaking_as = await make_as(api_times=PROMPT)
    alice, bob, reader, root = [await speaking_as(name) for name in (ALICE, BOB, READER, ROOT)]
    mine, others = await ended_run(alice, {}), await ended_run(bob, {})
    await root.until(lambda: root.manager.executions.statistics().retained == 2)
    seen = {}
    for name, client in {"reader": reader, "bob": bob, "root": root}.items():
        async with looking(client) as response:
            hello, snapshot = await told(response, "hello"), await told(response, "snapshot")
        seen[name] = [run["id"] for run in snapshot["recent"]]
        assert hello["may_operate"] is (name == "root")
        assert snapshot["status"]["retained"]["executions"] == len(seen[name])
    assert seen == {"reader": [mine], "bob": [others], "root": [others, mine]}


async def test_a_namespace_sees_its_ended_runs_whatever_others_have_ended_since(make_as: MakeAs) -> None:
    speaking_as = await make_as(api_times=PROMPT)
    reader = await speaking_as(READER)
    known, begun = reader.manager.executions._known, datetime.now(UTC)
    for number in range(1, 10_001):
        known.add_ended(
            EndedRun.of(
                id=number, state="finished", version="v0.2.7", cause="exited", accepted_at=begun,
                started_at=begun, deadline=begun, finished_at=begun, key=None, size=1,
                namespace="a" if number == 1 else "b",
            )
        )  # fmt: skip
    async with looking(reader) as response:
        snapshot = await told(response, "snapshot")
    assert [run["id"] for run in snapshot["recent"]] == [1]


async def test_a_token_that_is_taken_out_ends_its_stream(make_as: MakeAs, tokens_file: TokensFile) -> None:
    client = await (await make_as(api_times=PROMPT, tokens_interval=0.05))(READER)
    async with looking(client) as response:
        await told(response, "snapshot")
        del tokens_file.lines[READER]
        await asyncio.to_thread(tokens_file.write)
        with pytest.raises(ClientError):
            while True:
                await told(response, "snapshot")
    assert (await client.ask("GET", "/ui/events"))[0] == 401


async def test_a_manager_that_goes_lets_its_pages_go(client: Client) -> None:
    async with looking(client) as response:
        await told(response, "snapshot")
        await client.leave()
        # To its end, as it should be.
        await response.content.read()


async def test_the_pages_files_are_everybodys_and_have_their_rules(make_as: MakeAs) -> None:
    client = await (await make_as())("")
    for path in ("/ui", *(f"/ui/{name}" for name in FILES)):
        async with client.session.get(path) as response:
            assert response.status == 200
            assert response.headers["Content-Security-Policy"] == POLICY
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            mark = response.headers["ETag"]
        async with client.session.get(path, headers={"If-None-Match": mark}) as response:
            assert (response.status, await response.read()) == (304, b"")
    async with client.session.get("/ui/", allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (308, "../ui")
    assert (await client.ask("GET", "/ui/nothing.js"))[0] == 404
    assert (await client.ask("GET", "/ui/history"))[0] == 401
    assert "'unsafe" not in POLICY
    assert b"style=" not in FILES["index.html"].body


async def test_what_is_not_ours_is_what_the_page_of_documentation_says() -> None:
    page = await asyncio.to_thread((Path(__file__).parents[3] / "docs" / "ui.md").read_text)
    axe = await asyncio.to_thread((Path(__file__).with_name("vendor") / "axe.min.js").read_bytes)
    for body in (FILES["uPlot.iife.min.js"].body, FILES["uPlot.min.css"].body, axe):
        assert f"`{sha256(body).hexdigest()}`" in page


async def test_steps_and_the_result_of_a_run_are_told_after_its_end(client: Client) -> None:
    run_id = await ended_run(client, {"result": (b"\0" + encode(1)).hex()})
    details = (await client.ask("GET", f"/executions/{run_id}", params={"result": "true"}))[1]
    assert list(details["steps"])[:2] == ["accept", "queue"]
    assert details["path"] in {"warm", "cold"}
    assert details["result"] == {"kind": "Return", "text": "1", "trouble": None}
    assert "result" not in (await client.ask("GET", f"/executions/{run_id}"))[1]


async def test_the_last_hour_is_told_anew_with_each_sample_however_many_ask(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = client.manager.app[CONTEXT].history
    columns, made = History.columns, 0

    def counted(one: History) -> dict[str, Any]:
        nonlocal made
        made += 1
        return columns(one)

    monkeypatch.setattr(History, "columns", counted)
    for _ in range(2):
        history.sample()
        at = columns(history)["at"]
        answers = await asyncio.gather(*(client.ask("GET", "/ui/history") for _ in range(16)))
        assert made <= history.revision, "once for each sample, the manager's own among them"
        assert all(told["at"][: len(at)] == at for _, told in answers)

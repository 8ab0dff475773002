"""Tokens on a running manager: taken out, limited, audited, and said to be broken where somebody looks."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, UnixConnector

from orchestrator.access.register import Known
from orchestrator.access.scope import Scope
from orchestrator.access.watch import TokenWatch
from orchestrator.api.context import CONTEXT
from orchestrator.executions.refusals import Refusal
from tests.integration.manager.callers import ALICE, READER, ROOT, MakeAs, TokensFile, make_as, tokens_file
from tests.integration.manager.conftest import (
    Client,
    MakeClient,
    folder,
    listening_node,
    make_client,
    runs_ever,
)
from tests.integration.manager.socket_requests import request
from tests.socket_client import INTERNAL, MALFORMED, parts, refusal, socket_client
from tests.until import until_told

__all__ = ["folder", "make_as", "make_client", "tokens_file"]

# Not within a test: each looks when it wants to know.
NEVER = 3600.0
SLOW = {"requests_per_second": 0.001}


def tokens_of(client: Client) -> TokenWatch:
    found = client.manager.app[CONTEXT].access.tokens
    assert found is not None
    return found


async def test_a_token_that_was_taken_out_works_no_more(make_as: MakeAs, tokens_file: TokensFile) -> None:
    speaking_as = await make_as(tokens_interval=0.01)
    alice, reader = await speaking_as(ALICE), await speaking_as(READER)
    del tokens_file.lines[ALICE]
    tokens_file.write()
    await alice.until(lambda: len(tokens_of(alice).register) == len(tokens_file.lines))
    assert [(await one.ask("GET", "/status"))[0] for one in (alice, reader)] == [401, 200]


async def test_a_token_s_runs_are_bounded_over_http_and_on_the_socket(
    make_as: MakeAs, tokens_file: TokensFile
) -> None:
    tokens_file.add("small", Scope.NODE, "small", permits=1)
    tokens_file.add("slow", Scope.NODE, "slow", runs_per_minute=0.001, runs_burst=1)
    tokens_file.write()
    speaking_as = await make_as()
    small, slow, alice = [await speaking_as(name) for name in ("small", "slow", ALICE)]
    bodies = [small.body({"wait_for_host": None}) for _ in range(3)]
    more = [small.body() for _ in range(3)]
    async with AsyncExitStack() as held:
        nodes = [await held.enter_async_context(listening_node(one["host"])) for one in bodies]
        for one in more:
            await held.enter_async_context(listening_node(one["host"]))
        ids = [await client.run(body) for client, body in zip((small, slow, alice), bodies, strict=True)]
        for client, body, words in ((small, more[0], "1 of their 1 permits"), (slow, more[1], "per minute")):
            async with client.session.post("/genvm/run", json=body) as response:
                assert response.status == 429
                assert int(response.headers["Retry-After"]) > 0
                assert words in (await response.json())["error"]
        async with (
            socket_client(slow.session) as socket,
            listening_node(f"unix://{slow.folder}/ws") as node,
        ):
            code, text = await refusal(socket.run(request(node, {})))
            assert code == INTERNAL
            assert "per minute" in text
        await alice.finished(await alice.run(more[2]))
        for node in nodes:
            node.hang_up.set()
        await small.finished(ids[0])
        run = small.manager.executions.find(ids[0])
        if run is not None:
            await asyncio.shield(run.released)
        assert await small.run(more[0]) > ids[2]


async def test_a_run_dearer_than_its_token_s_permits_is_not_asked_to_come_again(
    make_as: MakeAs, tokens_file: TokensFile
) -> None:
    tokens_file.add("small", Scope.NODE, "small", permits=1, runs_per_minute=0.001, runs_burst=1)
    tokens_file.write()
    small = await (await make_as())("small")
    words = "the run needs 2 permits, its token may have 1 at most"
    async with small.session.post("/genvm/run", json=small.body(is_sync=False)) as response:
        assert (response.status, await response.json()) == (500, {"error": words})
        assert "Retry-After" not in response.headers
    async with socket_client(small.session) as socket, listening_node(f"unix://{small.folder}/ws") as node:
        code, text = await refusal(socket.run(request(node, {})))
        assert (code, text) == (INTERNAL, "the run needs 4 permits, its token may have 1 at most")
    refused = small.manager.executions.refused
    assert (refused[Refusal.TOO_EXPENSIVE], refused[Refusal.QUOTA]) == (2, 0)
    # It has taken nothing of the token's runs either.
    cheap = small.body()
    async with listening_node(cheap["host"]):
        await small.finished(await small.run(cheap))


async def test_who_did_not_hear_the_answer_is_told_of_the_run_that_there_is(
    make_as: MakeAs, tokens_file: TokensFile
) -> None:
    tokens_file.add("small", Scope.NODE, "small", permits=1, runs_per_minute=0.001, runs_burst=1)
    tokens_file.write()
    small = await (await make_as())("small")
    asked: dict[str, Any] = {"json": small.body({"wait_for_host": None}), "headers": {"Idempotency-Key": "k"}}
    async with listening_node(asked["json"]["host"]) as node:
        first, again = [await small.ask("POST", "/genvm/run", **asked) for _ in range(2)]
        assert first[0] == 200, first
        assert again == first
        node.hang_up.set()
        await small.finished(first[1]["id"])


async def test_a_run_that_asks_for_a_schema_is_one_of_the_token_s(
    make_as: MakeAs, tokens_file: TokensFile
) -> None:
    tokens_file.add("slow", Scope.NODE, "slow", runs_per_minute=0.001, runs_burst=1)
    tokens_file.write()
    slow = await (await make_as())("slow")

    async def asked() -> tuple[int, Any]:
        headers = {"Deployment-Timestamp": "2025-01-01T00:00:00Z"}
        return await slow.ask("POST", "/genvm/run/readonly", data=b"# v0.2.7\n", headers=headers)

    begun, refused = await asked(), await asked()
    # The scripted program has no schema; what it says instead came from a run.
    assert begun[0] == 500, begun
    assert refused[0] == 429, refused
    assert await runs_ever(slow) == 1


async def test_its_open_connection_is_cut_and_others_are_not(
    make_as: MakeAs, tokens_file: TokensFile
) -> None:
    speaking_as = await make_as(tokens_interval=NEVER)
    alice, root = await speaking_as(ALICE), await speaking_as(ROOT)
    async with (
        listening_node(f"unix://{alice.folder}/node") as node,
        socket_client(alice.session) as hers,
        socket_client(root.session) as roots,
    ):
        run_id = await hers.run(request(node, {"ignore": None}))
        assert (await hers.event(run_id))[0] == "started"
        del tokens_file.lines[ALICE]
        tokens_file.write()
        await tokens_of(alice).look()
        await hers.closed.wait()
        # Its run goes on; what becomes of it is the operator's to say.
        assert (await roots.attach(run_id))[0] == "started"
        await roots.cancel(run_id)
        await roots.ended(run_id)
    assert hers.waiting(run_id) == 0


async def test_a_token_with_another_scope_opens_its_connection_anew(
    make_as: MakeAs, tokens_file: TokensFile
) -> None:
    speaking_as = await make_as(tokens_interval=NEVER)
    root = await speaking_as(ROOT)
    async with socket_client(root.session) as socket:
        line = json.loads(tokens_file.lines[ROOT])
        tokens_file.lines[ROOT] = json.dumps(line | {"scopes": ["node"]})
        tokens_file.write()
        await tokens_of(root).look()
        await socket.closed.wait()
    assert (await root.ask("POST", "/permits", json={"permits": 4}))[0] == 403


async def test_a_body_that_was_held_back_does_nothing_for_it_any_more(
    make_as: MakeAs, tokens_file: TokensFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = await (await make_as(tokens_interval=NEVER))(ROOT)
    register, let_in, go_on = tokens_of(root).register, asyncio.Event(), asyncio.Event()
    find = register.find

    def watched(text: str) -> Known | None:
        let_in.set()
        return find(text)

    monkeypatch.setattr(register, "find", watched)

    async def held_back() -> AsyncIterator[bytes]:
        yield b'{"permits"'
        await go_on.wait()
        yield b": 4}"

    asking = asyncio.create_task(root.ask("POST", "/permits", data=held_back()))
    await let_in.wait()
    del tokens_file.lines[ROOT]
    tokens_file.write()
    await tokens_of(root).look()
    go_on.set()
    assert (await asking)[0] == 401
    assert root.manager.executions.statistics().permits.maximum == 8


async def test_a_broken_file_is_said_and_the_tokens_from_before_are_in_force(
    make_as: MakeAs, tokens_file: TokensFile
) -> None:
    speaking_as = await make_as(tokens_interval=NEVER)
    alice, nobody = await speaking_as(ALICE), await speaking_as("")
    assert await nobody.ask("GET", "/readyz") == (200, {"ready": True})
    tokens_file.path.write_text("nonsense")
    await tokens_of(alice).look()
    assert (await alice.ask("GET", "/status"))[0] == 200
    status, answer = await nobody.ask("GET", "/readyz")
    assert (status, answer["ready"]) == (200, True)
    assert "tokens file" in answer["problems"][0]
    assert str(tokens_file.path) not in answer["problems"][0]
    tokens_file.write()
    await tokens_of(alice).look()
    assert await nobody.ask("GET", "/readyz") == (200, {"ready": True})


async def test_a_token_over_its_rate_is_told_when_to_come_again(
    make_as: MakeAs, tokens_file: TokensFile
) -> None:
    tokens_file.add("slow", Scope.NODE, "a", **SLOW, requests_burst=2)
    tokens_file.write()
    speaking_as = await make_as()
    slow, alice = await speaking_as("slow"), await speaking_as(ALICE)
    assert [(await slow.ask("GET", "/status"))[0] for _ in range(2)] == [200, 200]
    async with slow.session.get("/status") as response:
        assert response.status == 429
        assert 0 < int(response.headers["Retry-After"]) <= 1000
        assert "slow is over its rate" in (await response.json())["error"]
    assert (await slow.ask("GET", "/healthz"))[0] == 200
    assert (await alice.ask("GET", "/status"))[0] == 200


@pytest.mark.parametrize("chunked", [False, True])
async def test_bytes_are_counted_whether_announced_or_not(
    make_as: MakeAs, tokens_file: TokensFile, chunked: bool
) -> None:
    tokens_file.add("slow", Scope.NODE, "a", bytes_per_second=0.001, bytes_burst=10_000)
    tokens_file.write()
    slow = await (await make_as())("slow")

    async def pieces() -> Any:
        yield b"x" * 9_999

    async def sent() -> int:
        body = pieces() if chunked else b"x" * 9_999
        headers = {"Deployment-Timestamp": "2025-01-01T00:00:00Z"}
        return (await slow.ask("POST", "/contract/detect-version", data=body, headers=headers))[0]

    assert (await sent(), (await slow.ask("GET", "/status"))[0]) == (200, 200)
    assert await sent() == (200 if chunked else 429)
    assert (await slow.ask("GET", "/status"))[0] == (429 if chunked else 200)


async def test_messages_on_the_socket_are_counted(make_as: MakeAs, tokens_file: TokensFile) -> None:
    tokens_file.add("slow", Scope.NODE, "a", **SLOW, requests_burst=2)
    tokens_file.write()
    slow = await (await make_as())("slow")
    async with socket_client(slow.session) as socket:
        assert "not found" in (await refusal(socket.cancel(7)))[1]
        code, text = await refusal(socket.cancel(7))
        assert (code, "over its rate" in text) == (INTERNAL, True)


async def test_what_is_no_request_is_counted_too(make_as: MakeAs, tokens_file: TokensFile) -> None:
    tokens_file.add("slow", Scope.NODE, "a", **SLOW, requests_burst=3)
    tokens_file.write()
    slow = await (await make_as())("slow")
    async with slow.session.ws_connect("/ws") as ws:
        await ws.receive_bytes()
        answers = []
        for send in (ws.send_str("nonsense"), ws.send_bytes(b"x"), ws.send_bytes(b"x"), ws.send_str("")):
            await send
            answers.append(parts(await ws.receive_bytes())[2]["code"])
    assert answers == [MALFORMED, MALFORMED, INTERNAL, INTERNAL]


async def test_what_brings_nothing_is_counted_as_requests(make_as: MakeAs, tokens_file: TokensFile) -> None:
    tokens_file.add("slow", Scope.NODE, "a", **SLOW, requests_burst=4)
    tokens_file.write()
    slow = await (await make_as())("slow")
    async with slow.session.ws_connect("/ws") as ws:
        await ws.receive_bytes()
        for _ in range(3):
            await ws.ping()
        await ws.send_bytes(b"x")
        assert parts(await ws.receive_bytes())[2]["code"] == INTERNAL
    assert (await slow.ask("GET", "/status"))[0] == 429


def audited(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


async def test_each_administrative_call_is_a_line(make_as: MakeAs, folder: Path) -> None:
    path = folder / "audit"
    speaking_as = await make_as(audit_file=path)
    root, alice = await speaking_as(ROOT), await speaking_as(ALICE)
    nobody = await speaking_as("")
    await root.ask("POST", "/permits", json={"permits": 5})
    await root.ask("POST", "/env", json={"key": "API_KEY", "value": "canary-value"})
    await root.ask("POST", "/env", json={"key": "canary key", "value": "canary-value"})
    await root.ask("POST", "/log/level", json={"level": "warn"})
    await root.ask("POST", "/log/level", json={"level": "info"})
    await root.ask("POST", "/module/stop", json={"module_type": "Llm"})
    await root.ask("POST", "/module/start", json={"module_type": "Web", "config": "canary"})
    await root.ask("POST", "/manifest/reload", data=b"canary")
    await root.ask("POST", "/executions/gc")
    await alice.ask("POST", "/permits", json={"permits": 7})
    await nobody.ask("POST", "/permits", json={"permits": 7})
    await root.ask("GET", "/permits")
    await root.leave()
    me = f"unix:{os.getuid()}"
    lines = audited(path)
    assert {line["origin"] for line in lines} == {me}
    assert [(line["who"], line["what"], line["outcome"]) for line in lines] == [
        (ROOT, "POST /permits", 200),
        (ROOT, "POST /env", 200),
        (ROOT, "POST /env", 200),
        (ROOT, "POST /log/level", 200),
        (ROOT, "POST /log/level", 200),
        (ROOT, "POST /module/stop", 200),
        (ROOT, "POST /module/start", 500),
        (ROOT, "POST /manifest/reload", 200),
        (ROOT, "POST /executions/gc", 200),
        (ALICE, "POST /permits", 403),
    ]
    about = [sorted(set(line) - {"time", "who", "origin", "what", "outcome"}) for line in lines]
    told = [["permits"], ["variable"], [], ["log_level"], ["log_level"], ["module"], [], [], ["removed"], []]
    assert about == told
    assert "canary" not in path.read_text()


async def test_without_tokens_it_says_where_a_call_came_from(make_client: MakeClient, folder: Path) -> None:
    client = await make_client(audit_file=folder / "audit", socket=None, port=0)
    await client.ask("POST", "/permits", json={"permits": 5})
    await client.leave()
    assert [(line["who"], line["permits"]) for line in audited(folder / "audit")] == [("loopback", 5)]


async def test_a_client_that_leaves_is_in_it_too(make_as: MakeAs, folder: Path) -> None:
    root = await (await make_as(audit_file=folder / "audit", pool_size=0))(ROOT)
    wanted = {"module_type": "Llm", "config": {"hang": True}}
    starting = asyncio.create_task(root.ask("POST", "/module/start", json=wanted))
    await root.until(lambda: root.manager.runtime.statistics().instances == 1)
    starting.cancel()
    await root.until(lambda: root.manager.runtime.statistics().instances == 0)
    await root.leave()
    [line] = audited(folder / "audit")
    assert (line["what"], line["outcome"], line["module"]) == ("POST /module/start", 499, "llm")


async def test_an_audit_file_that_cannot_be_written_is_said_and_stops_nothing(
    make_as: MakeAs, folder: Path
) -> None:
    speaking_as = await make_as(audit_file=folder / "no" / "audit")
    root, nobody = await speaking_as(ROOT), await speaking_as("")
    assert (await root.ask("POST", "/permits", json={"permits": 5}))[0] == 200

    async def said() -> list[str]:
        problems: list[str] = (await nobody.ask("GET", "/readyz"))[1].get("problems", [])
        return problems

    async def good_again() -> bool:
        assert (await root.ask("POST", "/permits", json={"permits": 5}))[0] == 200
        return not await said()

    assert "audit file" in (await until_told(said))[0]
    (folder / "no").mkdir()
    await until_told(good_again)


@pytest.mark.parametrize("with_tokens", [False, True])
async def test_operator_routes_are_on_their_own_socket_alone(
    make_client: MakeClient, tokens_file: TokensFile, folder: Path, with_tokens: bool
) -> None:
    path = folder / "operator.sock"
    changes = {"tokens_file": tokens_file.path} if with_tokens else {}
    client = await make_client(operator_socket=path, **changes)
    headers = tokens_file.header(ROOT) if with_tokens else {}
    asked: dict[str, Any] = {"json": {"permits": 4}, "headers": headers}
    status, answer = await client.ask("POST", "/permits", **asked)
    assert (status, "operator socket" in answer["error"]) == (403, True)
    assert await client.ask("GET", "/permits", headers=headers) == (200, {"permits": 8})
    assert path.stat().st_mode & 0o7777 == 0o600
    async with ClientSession("http://manager", connector=UnixConnector(str(path))) as operator:
        async with operator.post("/permits", **asked) as response:
            assert response.status == 200
        async with operator.get("/status", headers=headers) as response:
            assert (await response.json())["permits"]["max"] == 4
        if with_tokens:
            for name, expected in ((None, 401), (ALICE, 403)):
                other = tokens_file.header(name) if name else {}
                async with operator.post("/permits", json={"permits": 8}, headers=other) as response:
                    assert response.status == expected
    await client.leave()
    assert not path.exists()


async def test_it_is_told_from_a_port_as_well(make_client: MakeClient, folder: Path) -> None:
    client = await make_client(operator_socket=folder / "operator.sock", socket=None, port=0)
    assert (await client.ask("POST", "/executions/gc"))[0] == 403
    connector = UnixConnector(str(folder / "operator.sock"))
    async with (
        ClientSession("http://manager", connector=connector) as operator,
        operator.post("/executions/gc") as response,
    ):
        assert response.status == 200

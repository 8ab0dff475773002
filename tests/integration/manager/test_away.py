"""A journal or an engine that is away is said on every route and on the socket, not as our defect."""

from __future__ import annotations

import re
from typing import Any

import pytest
from structlog.testing import capture_logs

from orchestrator.runtime.port import EngineRefused, EngineUnreachable, RuntimeFailure
from orchestrator.runtime.process import ProcessRuntime
from orchestrator.store.journal import SqlJournal
from orchestrator.store.port import StoreFailure, StoreUnavailable
from tests.integration.manager.conftest import Client, listening_node
from tests.integration.manager.socket_requests import request
from tests.socket_client import INTERNAL, refusal, socket_client

SAID = "nobody answers there"
JOURNAL_ROUTES = {
    ("POST", "/genvm/run"),
    ("GET", "/genvm/{genvm_id}"),
    ("GET", "/genvm/{genvm_id}/artifact"),
    ("GET", "/executions/{run_id}"),
}
ENGINE_ROUTES = {("POST", "/module/start"), ("POST", "/module/restart"), ("POST", "/executions/gc")}
QUERIES = {"/genvm/{genvm_id}/artifact": "?field=stdout&max_len=9"}
NO_JSON = {("GET", "/docs"), ("GET", "/ws")}


def break_journal(patching: pytest.MonkeyPatch, failure: StoreFailure) -> None:
    async def fails(*_: Any, **__: Any) -> Any:
        raise failure

    for name in ("last_id", "read", "recovery_mark", "size", "write"):
        patching.setattr(SqlJournal, name, fails)


def break_engine(patching: pytest.MonkeyPatch, failure: RuntimeFailure) -> None:
    async def fails(*_: Any, **__: Any) -> Any:
        raise failure

    for name in ("start", "sweep"):
        patching.setattr(ProcessRuntime, name, fails)


async def an_ended_run(client: Client) -> int:
    body = client.body({})
    async with listening_node(body["host"]):
        run_id = await client.run(body)
        run = client.manager.executions.find(run_id)
        assert run is not None
        await run.released
    return run_id


def body_for(client: Client, path: str) -> dict[str, Any]:
    if path == "/genvm/run":
        return {"json": client.body({})}
    if path.startswith("/module"):
        return {"json": {"module_type": "Llm", "config": {"backends": {}, "tag": 1}}}
    return {}


async def ask_everything(client: Client, run_id: int) -> dict[tuple[str, str], tuple[int, str, str | None]]:
    """What each route answers: status, text, Retry-After."""
    answers = {}
    for route in client.manager.app.router.routes():
        assert route.resource is not None
        where = (route.method, route.resource.canonical)
        if where in NO_JSON or route.method == "HEAD":
            continue
        path = re.sub(r"\{\w+\}", str(run_id), where[1]) + QUERIES.get(where[1], "")
        async with client.session.request(route.method, path, **body_for(client, where[1])) as response:
            answers[where] = (response.status, await response.text(), response.headers.get("Retry-After"))
    return answers


@pytest.mark.parametrize("what", ["journal", "engine", "engine that refuses"])
async def test_every_route_says_what_is_away_and_when_to_come_again(
    client: Client, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    run_id = await an_ended_run(client)
    with monkeypatch.context() as patching, capture_logs() as records:
        if what == "journal":
            break_journal(patching, StoreUnavailable(SAID))
        else:
            kind = EngineUnreachable if what == "engine" else EngineRefused
            break_engine(patching, kind(SAID))
        answers = await ask_everything(client, run_id)
    away = {where: answer for where, answer in answers.items() if SAID in answer[1] or answer[0] == 503}
    assert away.keys() == (JOURNAL_ROUTES if what == "journal" else ENGINE_ROUTES), answers
    assert {(status, after) for status, _, after in away.values()} == {(503, "2")}
    assert [text for _, text, _ in answers.values() if "internal error of the manager" in text] == []
    assert [one for one in records if one["event"] == "request_failed"] == []


async def test_the_socket_says_it_too(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = await an_ended_run(client)
    async with listening_node(f"unix://{client.folder}/n") as node, socket_client(client.session) as socket:
        with monkeypatch.context() as patching, capture_logs() as records:
            break_journal(patching, StoreUnavailable(SAID))
            asked = (
                socket.run(request(node)),
                socket.attach(run_id),
                socket.piece(run_id, "stdout", 0),
                socket.ack(run_id),
            )
            answers = [await refusal(one) for one in asked]
    assert {code for code, _ in answers} == {INTERNAL}
    assert all("defect" not in text and "see its log" not in text for _, text in answers), answers
    assert [one for one in records if one["event"] == "socket_request_failed"] == []

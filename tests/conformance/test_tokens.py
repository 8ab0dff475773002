"""Every route of the OpenAPI document, with every kind of token: a new route is looked at by itself."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
from aiohttp import ClientSession, UnixConnector

from orchestrator.access.scope import Scope
from orchestrator.access.token import new_token
from orchestrator.api.description import description_of
from tests.integration.manager.callers import (
    ALICE,
    BOB,
    READER,
    ROOT,
    WHO,
    As,
    MakeAs,
    TokensFile,
    make_as,
    tokens_file,
)  # fmt: skip
from tests.integration.manager.conftest import Client, MakeClient, folder, listening_node, make_client

__all__ = ["folder", "make_as", "make_client", "tokens_file"]

NEVER = 987_654_321
PAGE = ("get", "/docs")
# They hold nothing of the manager, and a browser sends no token with an address.
OPERATORS_PAGE = {("get", "/ui"), ("get", "/ui/"), ("get", "/ui/{name}")}
OPEN = {("get", "/healthz"), ("get", "/readyz")}
# What each scope is for, written down a second time: a route that moves to a smaller scope is seen here.
OPERATORS = {
    ("post", "/module/start"), ("post", "/module/stop"), ("post", "/module/restart"), ("post", "/llm/check"),
    ("post", "/permits"), ("post", "/manifest/reload"), ("post", "/log/level"), ("post", "/env"),
    ("post", "/executions/gc"),
}  # fmt: skip
READERS = {
    ("get", "/status"), ("get", "/permits"), ("get", "/executions"), ("get", "/executions/{run_id}"),
    ("get", "/genvm/{genvm_id}/artifact"), ("get", "/vm-error/describe"), ("post", "/vm-error/describe"),
    ("get", "/openapi.json"), ("get", "/metrics"), ("get", "/ui/events"), ("get", "/ui/history"), PAGE,
}  # fmt: skip


@pytest.fixture
async def speaking_as(make_as: MakeAs) -> As:
    return await make_as()


async def operations(client: Client) -> dict[tuple[str, str], dict[str, Any]]:
    """What the document has, and its page, which is made from it."""
    status, document = await client.ask("GET", "/openapi.json")
    assert status == 200
    found = {
        (method, path): operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    return found | {PAGE: {"security": [{"bearer": ["read"]}]}}


def scope_of(operation: dict[str, Any]) -> Scope:
    """The scope that the document says."""
    if not operation["security"]:
        return Scope.NONE
    [[scope]] = [next(iter(one.values())) for one in operation["security"]]
    return Scope(scope)


async def answer(session: ClientSession, method: str, path: str, run_id: int = NEVER) -> tuple[int, str]:
    """Status and text; a path's id is filled in."""
    url = re.sub(r"\{\w+\}", str(run_id), path)
    async with session.request(method.upper(), url) as response:
        text = await response.text()
        if response.status == 401:
            assert response.headers["WWW-Authenticate"].startswith('Bearer realm="genvm-orchestrator"')
            assert response.content_type == "application/json"
        return response.status, text


def session_with(client: Client, **headers: str) -> ClientSession:
    connector = UnixConnector(str(client.manager.settings.socket))
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return ClientSession(client.address, connector=connector, headers=named)


async def test_every_route_says_its_scope(speaking_as: As) -> None:
    client = await speaking_as(ROOT)
    served = set()
    for route in client.manager.app.router.routes():
        assert description_of(route.handler).scope is not None, route
        if route.resource is not None and route.method != "HEAD":
            served.add((route.method.lower(), route.resource.canonical))
    assert served == set(await operations(client)) | OPERATORS_PAGE


async def test_the_document_has_the_scopes_that_are_meant(speaking_as: As) -> None:
    found = {route: scope_of(one) for route, one in (await operations(await speaking_as(READER))).items()}
    assert {route for route, scope in found.items() if scope is Scope.NONE} == OPEN
    assert {route for route, scope in found.items() if scope is Scope.OPERATOR} == OPERATORS
    assert {route for route, scope in found.items() if scope is Scope.READ} == READERS


async def test_without_a_token_in_force_nothing_is_served(speaking_as: As, tokens_file: TokensFile) -> None:
    client = await speaking_as(READER)
    text = tokens_file.texts[ROOT]
    for headers in (
        {},
        {"Authorization": f"Bearer {new_token()}"},
        {"Authorization": f"Bearer {text[:-1]}"},
        {"Authorization": f"Bearer {text} {text}"},
        {"Authorization": f"Basic {text}"},
        {"Authorization": text},
        {"Authorization": "Bearer"},
        {"X_Token": text},
    ):
        async with session_with(client, **headers) as session:
            for (method, path), operation in (await operations(client)).items():
                status, said = await answer(session, method, path)
                if scope_of(operation) is Scope.NONE:
                    assert status == 200
                else:
                    assert (status, "token" in said) == (401, True), (method, path, headers)
            assert (await answer(session, "get", "/no/such/path"))[0] == 401


async def test_a_scope_too_small_is_a_403_and_a_fitting_one_is_let_through(speaking_as: As) -> None:
    clients = {name: await speaking_as(name) for name in (READER, ALICE, ROOT)}
    for (method, path), operation in (await operations(clients[ROOT])).items():
        needed = scope_of(operation)
        for name, client in clients.items():
            status, said = await answer(client.session, method, path)
            fits = WHO[name][0].reaches(needed)
            assert (status in (401, 403)) is not fits, (method, path, name, status, said)
    assert (await answer(clients[READER].session, "get", "/no/such/path"))[0] == 404


async def test_each_route_about_a_run_answers_another_namespace_as_if_there_were_none(
    speaking_as: As,
) -> None:
    alice, bob, root = [await speaking_as(name) for name in (ALICE, BOB, ROOT)]
    body = alice.body({"ignore": None})
    async with listening_node(body["host"]):
        run_id = await alice.run(body)
        with_ids = [route for route in await operations(root) if "{" in route[1]]
        assert len(with_ids) >= 4
        for method, path in with_ids:
            foreign = await answer(bob.session, method, path, run_id)
            never = await answer(bob.session, method, path, NEVER)
            assert foreign[0] == never[0]
            assert foreign[1].replace(str(run_id), "ID") == never[1].replace(str(NEVER), "ID")
        assert (await alice.ask("GET", f"/executions/{run_id}"))[1]["cause"] is None
        await alice.delete(run_id, wait_timeout_ms=0)


async def test_two_tokens_in_one_request_are_none(speaking_as: As, tokens_file: TokensFile) -> None:
    client = await speaking_as(ROOT)
    headers = [("Authorization", f"Bearer {tokens_file.texts[name]}") for name in (BOB, ROOT)]
    connector = UnixConnector(str(client.manager.settings.socket))
    async with (
        ClientSession(client.address, connector=connector) as session,
        session.get("/status", headers=headers) as response,
    ):
        assert response.status == 401


async def test_a_body_is_not_read_before_its_token_is_known(speaking_as: As) -> None:
    """A request whose body never comes is answered at once."""
    client = await speaking_as(ROOT)
    path = str(client.manager.settings.socket)
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(b"POST /genvm/run HTTP/1.1\r\nHost: manager\r\nContent-Length: 1000000\r\n\r\n")
    await writer.drain()
    assert (await reader.readline()).startswith(b"HTTP/1.1 401")
    writer.close()


async def test_without_tokens_everything_is_served_to_everybody(make_client: MakeClient) -> None:
    client = await make_client()
    async with session_with(client, Authorization="Bearer whatever") as session:
        for method, path in await operations(client):
            assert (await answer(session, method, path))[0] not in (401, 403), (method, path)

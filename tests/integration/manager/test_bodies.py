"""What a request's body may be: how large, how slow, how packed, how many at once."""

from __future__ import annotations

import asyncio
import gzip
import io
from contextlib import AsyncExitStack
from typing import Any

import pytest

from genvm_wire.calldata import LONGEST_TEXT, encode
from orchestrator.api.bodies import LIMITS, PICTURES_BYTES, PLAIN_BYTES
from orchestrator.api.bytes_held import FREE
from tests import generation_bodies
from tests.integration.manager.conftest import Client, MakeClient, listening_node
from tests.raw_http import RawAnswer, exchange, request, until_the_end

MIB = 1024 * 1024
AT = {"Deployment-Timestamp": "2025-01-01T00:00:00Z"}


async def raw(client: Client, *pieces: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_unix_connection(str(client.folder / "api.sock"))
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
    return reader, writer


def head(path: str, length: int, *lines: str) -> bytes:
    fields = (f"POST {path} HTTP/1.1", "Host: m", f"Content-Length: {length}", *lines)
    return "\r\n".join((*fields, "", "")).encode()


@pytest.mark.parametrize(
    ("path", "limit"),
    [
        ("/permits", PLAIN_BYTES),
        ("/env", PLAIN_BYTES),
        ("/module/start", PLAIN_BYTES),
        ("/llm/check", PICTURES_BYTES),
        ("/genvm/run", 2 * MIB),
        ("/genvm/run/readonly", 2 * MIB),
        ("/contract/detect-version", 2 * MIB),
        ("/contract/pre-deploy-writes", 2 * MIB),
    ],
)
@pytest.mark.parametrize("chunked", [False, True], ids=["announced", "chunked"])
async def test_each_route_has_its_limit_and_says_it(
    make_client: MakeClient, path: str, limit: int, chunked: bool
) -> None:
    client = await make_client(max_body_bytes=2 * MIB)

    async def pieces() -> Any:
        for _ in range(limit // FREE + 1):
            yield bytes(FREE)

    body: Any = pieces() if chunked else io.BytesIO(bytes(limit + 1))
    answer = await client.ask("POST", path, data=body, headers=AT)
    text = f"the body is larger than {limit} bytes, which is the limit of this route"
    assert answer == (413, {"error": text})
    document = (await client.ask("GET", "/openapi.json"))[1]["paths"][path]["post"]
    if "requestBody" in document:
        assert document["requestBody"]["description"] == f"at most {limit} bytes"
        assert document["responses"]["413"]["description"] == f"the body is larger than {limit} bytes"


async def test_json_is_never_as_large_as_code(client: Client) -> None:
    status, answer = await client.ask(
        "POST", "/genvm/run", data=io.BytesIO(b'{"a":"' + bytes(2 * MIB) + b'"}')
    )
    assert (status, "JSON larger than" in answer["error"]) == (413, True)


LONG = "x" * LONGEST_TEXT


@pytest.mark.parametrize(
    "change",
    [
        {"host_data": f"{LONG}x"},
        {"host": f"{LONG}x"},
        {"x": [f"{LONG}x"]},
        {f"{LONG}x": 1},
        {"x": 1 << 8 * LONGEST_TEXT},
    ],
    ids=["host_data", "host", "unknown", "key", "number"],
)
async def test_a_text_is_never_as_large_as_code(client: Client, change: dict[str, Any]) -> None:
    body = encode({**generation_bodies.fields("B3", "unix:///nowhere/sock"), **change})
    answer = await client.ask("POST", "/genvm/run", data=io.BytesIO(body))
    assert answer == (413, {"error": f"a text or number in the body is larger than {LONGEST_TEXT} bytes"})


async def test_code_and_calldata_may_be_larger_than_any_text(client: Client) -> None:
    host = f"unix://{client.folder}/large"
    large = {"code": bytes(LONGEST_TEXT + 1), "calldata": bytes(LONGEST_TEXT + 1), "host_data": "{}"}
    async with listening_node(host):
        await client.run(generation_bodies.encoded("B3", host, **large))


@pytest.mark.parametrize(
    ("path", "body", "encoding"),
    [
        ("/permits", gzip.compress(b'{"permits": 9}'), "gzip"),
        ("/permits", b"no gzip at all", "gzip"),
        ("/genvm/run", b"no zlib at all", "deflate"),
        ("/genvm/run", b"", "br"),
        ("/nowhere", gzip.compress(bytes(10 * MIB)), "gzip"),
    ],
    ids=["gzip", "no gzip", "no zlib", "br", "a gzip bomb"],
)
async def test_an_encoded_body_is_refused_as_it_is(
    client: Client, path: str, body: bytes, encoding: str
) -> None:
    status, answer = await client.ask("POST", path, data=body, headers={"Content-Encoding": encoding})
    assert (status, "Content-Encoding" in answer["error"]) == (415, True)


@pytest.mark.parametrize(
    "lines",
    [("x-gzip",), ("application/x-gzip",), ("identity", "gzip"), ("identity, gzip",), ("",), ("gz\xe9p",)],
    ids=repr,
)
async def test_an_encoding_of_another_spelling_is_refused_alike(client: Client, lines: tuple[str]) -> None:
    packed = [f"Content-Encoding: {line}" for line in lines]
    sent = request("POST", "/permits", "Host: m", *packed, body=gzip.compress(b'{"permits": 9}'))
    answer = await exchange(f"unix://{client.folder}/api.sock", sent)
    assert (answer.status, "Content-Encoding" in answer.error) == (415, True)


@pytest.mark.parametrize("encoding", ["Identity", "identity, identity"])
async def test_an_encoding_that_is_none_is_taken(client: Client, encoding: str) -> None:
    answer = await client.ask("POST", "/permits", json={"permits": 9}, headers={"Content-Encoding": encoding})
    assert answer == (200, {"result": "permits_set", "permits": 9})


async def test_the_websocket_takes_no_encoding_either(client: Client) -> None:
    headers = {"Content-Encoding": "gzip", "Upgrade": "websocket", "Connection": "Upgrade"}
    assert (await client.ask("GET", "/ws", headers=headers))[0] == 415


async def test_bodies_on_their_way_are_bounded_together_and_small_ones_go_on(
    make_client: MakeClient,
) -> None:
    client = await make_client(max_body_bytes=2 * MIB, body_bytes=4 * MIB)
    held = client.manager.app[LIMITS].held
    async with AsyncExitStack() as stack:
        for _ in range(2):
            _, writer = await raw(client, head("/genvm/run", 2 * MIB), bytes(2 * MIB - 1))
            stack.callback(writer.close)
        await client.until(lambda: held.counted == 2 * (2 * MIB - 1 - FREE))
        async with client.session.post("/genvm/run", data=io.BytesIO(bytes(2 * MIB))) as response:
            answer = await response.json()
            assert (response.status, response.headers["Retry-After"]) == (503, "2")
        assert "GENVM_BODY_BYTES" in answer["error"]
        # A small request is served, however many large ones hang.
        assert (await client.ask("POST", "/permits", json={"permits": 9}))[0] == 200
    await client.until(lambda: held.counted == 0)
    calldata = io.BytesIO(b"\x06" + bytes(2 * MIB - 1))
    assert (await client.ask("POST", "/genvm/run", data=calldata))[0] == 500


async def test_nothing_stays_counted_of_clients_that_leave_or_dribble(make_client: MakeClient) -> None:
    client = await make_client(body_timeout=0.2)
    held = client.manager.app[LIMITS].held
    for size in (0, 1, FREE, FREE + 1, MIB):
        _, writer = await raw(client, head("/genvm/run", 2 * MIB), bytes(size))
        writer.close()
    reader, writer = await raw(client, head("/genvm/run", 2 * MIB), bytes(MIB))
    assert b" 408 " in await reader.read()
    writer.close()
    await client.until(lambda: held.counted == 0)


async def test_what_a_run_came_in_is_not_counted_while_its_client_waits(make_client: MakeClient) -> None:
    client = await make_client(permits=4, start_wait=60)
    held = client.manager.app[LIMITS].held
    # Nobody listens at a node's socket, but the first of the runs has all permits first.
    body = client.encoded("C", code=bytes(4 * MIB))
    client.manager.executions.set_permits(4)
    blocked = asyncio.create_task(client.ask("POST", "/genvm/run", data=io.BytesIO(body)))
    status, _ = await blocked
    assert status in {200, 500}
    assert held.counted == 0


def announced(method: str, path: str, *lines: str) -> bytes:
    """The head of a request whose body may come."""
    return "\r\n".join((f"{method} {path} HTTP/1.1", "Host: m", *lines, "", "")).encode()


async def bodiless(client: Client) -> list[tuple[str, str]]:
    """Method and path of each route that takes no body, a new one included; a stream ends never."""
    document = (await client.ask("GET", "/openapi.json"))[1]
    found = [
        (method.upper(), path.replace("{genvm_id}", "7").replace("{run_id}", "7"))
        for path, methods in document["paths"].items()
        for method, told in methods.items()
        if "requestBody" not in told
    ]
    return [("GET", "/ui"), ("GET", "/docs"), *(one for one in found if one[1] not in {"/ws", "/ui/events"})]


SENT = 16 * MIB
ANNOUNCED = {"a length": f"Content-Length: {SENT + 1}", "chunks": "Transfer-Encoding: chunked"}


@pytest.mark.parametrize("line", ANNOUNCED.values(), ids=ANNOUNCED)
async def test_a_route_without_a_body_waits_for_none_and_holds_nothing_of_one(
    make_client: MakeClient, line: str
) -> None:
    """Else whoever needs no token would hold what all bodies have, or all connections, for a minute each."""
    client = await make_client(body_timeout=0.1)
    held = client.manager.app[LIMITS].held
    address = f"unix://{client.folder}/api.sock"
    routes = await bodiless(client)
    assert {("GET", "/healthz"), ("DELETE", "/genvm/7"), ("POST", "/manifest/reload")} <= set(routes)
    answers: dict[tuple[str, str], RawAnswer] = {}
    for method, path in routes:
        answers[method, path] = await exchange(address, announced(method, path, line))
    assert {route: answer.status for route, answer in answers.items() if answer.status == 408} == {}
    assert {answer.headers["Connection"] for answer in answers.values()} == {"close"}
    assert held.counted == 0


@pytest.mark.parametrize("line", ANNOUNCED.values(), ids=ANNOUNCED)
async def test_nothing_of_a_body_that_nobody_reads_is_a_next_request(client: Client, line: str) -> None:
    reader, writer = await raw(client, announced("GET", "/healthz", line))
    said = await reader.readuntil(b"}")
    writer.write(announced("GET", "/readyz") * 3)
    assert (said + await until_the_end(reader)).count(b"HTTP/1.1") == 1
    writer.close()


@pytest.mark.parametrize("line", ANNOUNCED.values(), ids=ANNOUNCED)
async def test_what_is_sent_while_an_answer_is_waited_for_is_not_kept(client: Client, line: str) -> None:
    """Otherwise as much as a connection's buffers have, of each that waits for its run."""
    host = f"unix://{client.folder}/node"
    async with listening_node(host) as node:
        run_id = await client.run(client.body({"hold": None, "answer": 0}, host=host))
        await node.connected.wait()
        reader, writer = await raw(client, announced("GET", f"/genvm/{run_id}?wait=60s", line))
        if "chunked" in line:
            writer.write(b"%x\r\n" % SENT)
        # More than all buffers on the way: it only ends when the manager takes it.
        for _ in range(SENT // MIB):
            writer.write(bytes(MIB))
            await writer.drain()
        client.let_go((await client.ask("GET", f"/executions/{run_id}"))[1]["instance"])
        assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
        writer.close()


@pytest.mark.parametrize(
    ("method", "lines", "body"),
    [
        ("GET", (), b""),
        ("DELETE", ("Content-Length: 0",), b""),
        ("GET", ("Content-Length: 0",), b""),
        ("GET", ("Transfer-Encoding: chunked",), b"0\r\n\r\n"),
        ("DELETE", ("Content-Length: 2",), b"{}"),
    ],
    ids=["none", "DELETE of nothing", "GET of nothing", "no chunks", "all there"],
)
async def test_a_body_that_is_here_or_empty_costs_no_connection(
    client: Client, method: str, lines: tuple[str, ...], body: bytes
) -> None:
    reader, writer = await raw(client)
    for _ in range(3):
        writer.write(announced(method, "/genvm/7", *lines) + body)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK") and b"Connection" not in head, head
        await reader.readuntil(b"}")
    writer.close()


async def test_an_upgrade_takes_no_body(client: Client) -> None:
    lines = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", "Content-Length: 5")
    key = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="
    answer = await exchange(f"unix://{client.folder}/api.sock", announced("GET", "/ws", *lines, key))
    assert (answer.status, answer.error) == (400, "an upgrade takes no body")
    assert answer.headers["Connection"] == "close"

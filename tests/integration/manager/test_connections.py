"""Connections: bounded in number, and none may wait for ever."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import pytest

from orchestrator.listener import acceptor
from orchestrator.listener.acceptor import OPERATORS
from tests.integration.manager.conftest import Client, MakeClient, listening_node
from tests.raw_http import exchange, request

HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: m\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
REQUEST = b"GET /healthz HTTP/1.1\r\nHost: m\r\n\r\n"
NEVER = 3600
"""Seconds: what is ended is ended by something else."""


async def connect(client: Client, said: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_unix_connection(str(client.folder / "api.sock"))
    writer.write(said)
    await writer.drain()
    return reader, writer


async def ended(reader: asyncio.StreamReader) -> bytes:
    """All that is said until the manager hangs up."""
    said = b""
    try:
        while piece := await reader.read(65536):
            said += piece
    except (ConnectionResetError, BrokenPipeError):
        pass  # a byte of ours that nobody took tells of the end first
    return said


@pytest.mark.parametrize("said", [b"G", REQUEST[:-2]])
async def test_a_head_that_does_not_end_is_given_up(make_client: MakeClient, said: bytes) -> None:
    client = await make_client(head_timeout=0.3, idle_timeout=NEVER)
    reader, writer = await connect(client, said)
    assert await ended(reader) == b""
    writer.close()


async def test_the_beginning_of_a_head_that_came_with_a_request_is_given_up_as_no_request(
    make_client: MakeClient,
) -> None:
    """The library's parser has it, and does not say so."""
    client = await make_client(head_timeout=NEVER, idle_timeout=0.3)
    reader, writer = await connect(client, REQUEST + REQUEST[:-1])
    assert (await ended(reader)).count(b"200 OK") == 1
    writer.close()


async def test_a_head_that_dribbles_is_given_up(make_client: MakeClient) -> None:
    client = await make_client(head_timeout=0.3, idle_timeout=NEVER)
    reader, writer = await connect(client, b"GET /")
    dribbling = asyncio.create_task(dribble(writer))
    assert await ended(reader) == b""
    dribbling.cancel()
    writer.close()


async def dribble(writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("said", [b"", REQUEST])
async def test_a_connection_without_a_request_is_given_up(make_client: MakeClient, said: bytes) -> None:
    client = await make_client(idle_timeout=0.3)
    reader, writer = await connect(client, said)
    assert (await ended(reader)).count(b"200 OK") == said.count(REQUEST)
    writer.close()


async def test_who_waits_for_an_answer_is_not_idle(make_client: MakeClient) -> None:
    client = await make_client(idle_timeout=0.3, head_timeout=0.3)
    run_id = await client.run(client.body(host="127.0.0.1:9"))
    ever = asyncio.create_task(client.ask("GET", "/genvm/99", params={"wait": "1s"}))
    assert (await client.ask("GET", f"/genvm/{run_id}", params={"wait": "60s"}))[0] == 200
    assert (await ever)[0] == 200


@pytest.mark.parametrize(
    "said",
    [
        b"\x16\x03\x01\x02\0\x01\0",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /" + b"a" * 10_000 + b" HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    ],
    ids=["another protocol", "no such version", "too long", "a bad length"],
)
async def test_what_is_no_http_is_refused_as_json_and_logs_no_traceback(
    client: Client, said: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    reader, writer = await connect(client, said)
    head, _, body = (await ended(reader)).partition(b"\r\n\r\n")
    writer.close()
    assert b" 400 " in head
    assert b"application/json" in head
    assert list(json.loads(body)) == ["error"]
    # What the manager itself has to say at its start may come now.
    assert [line for line in caplog.records if line.name.startswith("aiohttp") or line.exc_info] == []
    assert "Traceback" not in caplog.text


async def test_no_more_are_accepted_than_may_be_and_waiting_ones_make_room(make_client: MakeClient) -> None:
    client = await make_client(max_connections=8)
    async with AsyncExitStack() as stack:
        crowd = []
        for _ in range(100):
            reader, writer = await connect(client)
            stack.callback(writer.close)
            crowd.append(reader)
        # Whoever asks is served: those that waited longest without a word are hung up on for it.
        for _ in range(5):
            assert (await client.ask("GET", "/healthz"))[0] == 200
        assert await ended(crowd[0]) == b""


async def test_who_has_asked_is_answered_however_many_come_at_once(make_client: MakeClient) -> None:
    """Accepted, but not read yet, a connection does not wait for its client."""
    client = await make_client(max_connections=4)
    crowd = [await connect(client, REQUEST) for _ in range(60)]
    answers = await asyncio.gather(*(reader.readuntil(b"\r\n\r\n") for reader, _ in crowd))
    assert {answer.split(b"\r\n")[0] for answer in answers} == {b"HTTP/1.1 200 OK"}
    for _, writer in crowd:
        writer.close()


async def test_who_is_at_work_is_not_cut_off_for_others(make_client: MakeClient) -> None:
    client = await make_client(max_connections=4)
    reader, writer = await connect(client, HANDSHAKE)
    assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
    hello = await reader.readexactly(2)
    async with AsyncExitStack() as stack:
        for _ in range(50):
            _, idle = await connect(client)
            stack.callback(idle.close)
        assert (await client.ask("GET", "/healthz"))[0] == 200
        writer.write(b"\x89\x80\0\0\0\0")  # ping
        await reader.readexactly(hello[1])
        assert (await reader.readexactly(2))[0] == 0x8A  # pong
    writer.close()


async def test_the_operator_socket_has_places_of_its_own(make_client: MakeClient, folder: Path) -> None:
    """However many wait on the other one, who are at work and are not cut off, and beyond as well."""
    client = await make_client(max_connections=2, operator_socket=folder / "operator.sock")
    async with AsyncExitStack() as stack:
        for _ in range(2):
            reader, writer = await connect(client, HANDSHAKE)
            stack.callback(writer.close)
            assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
        _, writer = await connect(client, REQUEST)
        stack.callback(writer.close)
        address = f"unix://{folder}/operator.sock"
        for path in ("/healthz", "/readyz", "/status"):
            assert (await exchange(address, request("GET", path, "Host: m"))).status == 200
        body = b'{"permits": 9}'
        assert (await exchange(address, request("POST", "/permits", "Host: m", body=body))).status == 200


async def test_who_waits_on_the_operator_socket_makes_room_there(
    make_client: MakeClient, folder: Path
) -> None:
    await make_client(operator_socket=folder / "operator.sock")
    async with AsyncExitStack() as stack:
        for _ in range(2 * OPERATORS):
            _, writer = await asyncio.open_unix_connection(str(folder / "operator.sock"))
            stack.callback(writer.close)
        answer = await exchange(f"unix://{folder}/operator.sock", request("GET", "/healthz", "Host: m"))
        assert answer.status == 200


async def test_probes_are_answered_when_all_places_are_at_work(
    make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acceptor, "PROBES_AFTER", 0.0)
    client = await make_client(max_connections=2)
    address = f"unix://{client.folder}/api.sock"
    async with AsyncExitStack() as stack:
        for _ in range(2):
            reader, writer = await connect(client, HANDSHAKE)
            stack.callback(writer.close)
            assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
        for path in ("/healthz", "/readyz", "/metrics"):
            answer = await exchange(address, request("GET", path, "Host: m"))
            assert answer.status == 200
        for method, path in (("GET", "/status"), ("POST", "/genvm/run"), ("GET", "/genvm/1")):
            answer = await exchange(address, request(method, path, "Host: m"))
            assert (answer.status, answer.headers["Connection"]) == (503, "close")
            assert "GENVM_MAX_CONNECTIONS" in answer.error
        # Nor do those that say nothing keep a probe away.
        for _ in range(3 * acceptor.PROBES):
            _, writer = await connect(client)
            stack.callback(writer.close)
        assert (await exchange(address, REQUEST)).headers["Connection"] == "close"


async def some_turns() -> None:
    """The manager is on this very loop: what has been sent is in its hands then."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_who_is_answered_and_waits_again_makes_room_for_who_came_meanwhile(
    make_client: MakeClient,
) -> None:
    client = await make_client(max_connections=1, idle_timeout=NEVER)
    host = f"unix://{client.folder}/node"
    async with listening_node(host) as node:
        reader, writer = await connect(client)
        body = json.dumps(client.body({"hold": None}, host=host)).encode()
        writer.write(request("POST", "/genvm/run", "Host: m", body=body))
        run_id = json.loads((await reader.readuntil(b"}")).partition(b"\r\n\r\n")[2])["id"]
        await node.connected.wait()
        writer.write(request("GET", f"/genvm/{run_id}?wait=60s", "Host: m"))
        await some_turns()
        later, other = await connect(client, REQUEST)
        await some_turns()
        run = client.manager.executions.find(run_id)
        assert run is not None
        client.manager.executions.cancel(run, 0)
        assert b"200 OK" in await later.readuntil(b"\r\n\r\n")
        other.close()
        writer.close()

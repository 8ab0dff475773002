"""What is parsed a slice at a time is what was sent: nothing lost, and nothing out of order."""

from __future__ import annotations

import asyncio
import hashlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import StreamReader, WSMsgType, web

from orchestrator.listener import acceptor, turns
from orchestrator.listener.acceptor import Acceptor, ConnectionLimits
from orchestrator.listener.connection import HttpConnection
from orchestrator.listener.turns import SHORTEST, ParsingTurns
from tests.until import turn_until

HANDSHAKE = (
    b"GET /upgraded HTTP/1.1\r\nHost: m\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
ONE_SLICE = 1e-9
"""Seconds of a turn."""
REFUSED: list[StreamReader] = []
"""Bodies that nobody read."""
LARGE = bytes(1 << 20)
SOME = 160 * 1024
"""Bytes: more than what is left of an answer by somebody who is told more."""


def left_by(one: HttpConnection) -> int:
    """Bytes of answers that its client has not taken."""
    return 0 if one._carrier is None else one._carrier.get_write_buffer_size()


class Held:
    """A request that is answered when a test says so."""

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """For another loop."""
        self.begun, self.over = asyncio.Event(), asyncio.Event()


HELD = Held()
Connect = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


async def answer(request: web.BaseRequest) -> web.StreamResponse:
    """`/upgraded`: messages are sent back; else the path and what the body was."""
    if request.path == "/upgraded":
        upgraded = web.WebSocketResponse()
        await asyncio.sleep(0)
        await upgraded.prepare(request)
        async for message in upgraded:
            if message.type is WSMsgType.BINARY:
                await upgraded.send_bytes(message.data)
        return upgraded
    if request.path == "/refused":
        REFUSED.append(request.content)
        return web.Response(status=404)
    if request.path == "/some":
        return web.Response(body=LARGE[:SOME])
    if request.path == "/large":
        return web.Response(body=LARGE)
    if request.path == "/held":
        HELD.begun.set()
        await HELD.over.wait()
        return web.Response(text="held")
    digest = hashlib.sha256(await request.read()).hexdigest()
    return web.Response(text=f"{request.path} {digest}!")


@pytest.fixture(params=[ONE_SLICE, 60.0], ids=["a slice a turn", "all in one turn"])
def seconds(request: pytest.FixtureRequest) -> float:
    return float(request.param)


@pytest.fixture
async def accepting(seconds: float, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Acceptor]:
    monkeypatch.setattr(turns, "SECONDS", seconds)
    monkeypatch.setattr(turns, "UNTIMED", 0)
    monkeypatch.setattr(acceptor, "LOOK_EVERY", 3600.0)
    HELD.renew()
    server = web.Server(answer)
    made = Acceptor(server, ConnectionLimits(100))
    yield made
    await made.aclose()
    await server.shutdown(0.01)
    for one in list(made._open):
        one.drop()
    await turn_until(lambda: made.connections == 0)


@pytest.fixture
async def connect(accepting: Acceptor) -> AsyncIterator[Connect]:
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    accepting.listen(listener)
    port = listener.getsockname()[1]
    writers = []

    async def made() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writers.append(writer)
        return reader, writer

    yield made
    for writer in writers:
        writer.close()


def body(number: int) -> bytes:
    return bytes([number % 251]) * (number * 7919 % 100_000)


def posted(number: int) -> bytes:
    """In one piece, or in chunks of a few bytes."""
    head = b"POST /%d HTTP/1.1\r\nHost: m\r\n" % number
    data = body(number)
    if number % 2:
        return head + b"Content-Length: %d\r\n\r\n" % len(data) + data
    size = number % 97 + 1
    pieces = (data[at : at + size] for at in range(0, len(data), size))
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"


async def test_requests_are_answered_in_order_with_all_of_their_bodies(connect: Connect) -> None:
    async def talk() -> None:
        reader, writer = await connect()
        writer.write(b"".join(map(posted, range(40))))
        for number in range(40):
            said = await reader.readuntil(b"!")
            expected = f"/{number} {hashlib.sha256(body(number)).hexdigest()}!"
            assert said.endswith(expected.encode())

    await asyncio.gather(*(talk() for _ in range(4)))


async def test_many_small_requests_in_one_piece(connect: Connect) -> None:
    reader, writer = await connect()
    writer.write(b"".join(b"GET /%d HTTP/1.1\r\nHost: m\r\n\r\n" % number for number in range(4000)))
    for number in range(4000):
        assert b"\r\n\r\n/%d " % number in await reader.readuntil(b"!")


async def test_frames_that_come_with_the_handshake(connect: Connect) -> None:
    reader, writer = await connect()
    messages = [b"%05d" % number for number in range(20_000)]
    writer.write(HANDSHAKE + b"".join(b"\x82\x85\0\0\0\0" + message for message in messages))
    await reader.readuntil(b"\r\n\r\n")
    for message in messages:
        assert await reader.readexactly(7) == b"\x82\x05" + message


async def test_the_rest_of_what_is_refused_is_not_parsed(connect: Connect) -> None:
    reader, writer = await connect()
    writer.write(b"POST /refused HTTP/1.1\r\nHost: m\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 404 ")
    assert b"connection: close" in head.lower()
    writer.write(b"1\r\na\r\n" * 100_000)
    await writer.drain()
    writer.write_eof()
    assert await reader.read() == b""
    assert REFUSED.pop().total_bytes == 1


async def test_who_waits_for_the_manager_is_not_idle(
    accepting: Acceptor, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "SECONDS", 0.0)
    accepting._turns._left = 0.0
    accepting._limits = ConnectionLimits(100, head=-1, idle=-1)
    _, writer = await connect()
    writer.write(b"GET /")
    await turn_until(lambda: any(one.behind for one in accepting._open))
    accepting._look_around()
    (waiting,) = accepting._open
    assert waiting.transport is not None
    assert not waiting.transport.is_closing()
    waiting._came = b""
    accepting._look_around()
    assert waiting.transport.is_closing()


async def test_who_does_not_take_its_answers_is_idle(accepting: Acceptor, connect: Connect) -> None:
    """More requests wait behind them, but not for the manager."""
    accepting._limits = ConnectionLimits(100, head=-1, idle=-1)
    reader, writer = await connect()
    reader._limit = 1  # type: ignore[attr-defined] # of the stream that is not read
    writer.write(b"GET /large HTTP/1.1\r\nHost: m\r\n\r\n" * 3000)
    await turn_until(lambda: any(one.behind and one._buffer_paused for one in accepting._open))
    (one,) = accepting._open
    await turn_until(lambda: one.waits_since is not None)
    accepting._look_around()
    assert one.transport is None or one.transport.is_closing()


async def slow_client(
    accepting: Acceptor, connect: Connect, request: bytes
) -> tuple[asyncio.StreamReader, HttpConnection]:
    """One that has sent `request` and takes nothing by itself, with little room in the kernel on its way."""
    reader, writer = await connect()
    reader._limit = 1  # type: ignore[attr-defined] # of the stream that is not read
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    await turn_until(lambda: bool(accepting._open))
    (one,) = accepting._open
    assert one.transport is not None
    one.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    writer.write(request)
    await turn_until(lambda: one.waits_since is not None and left_by(one) > 0)
    return reader, one


async def test_who_leaves_a_little_of_an_answer_is_ended_whoever_closed_it_before(
    accepting: Acceptor, connect: Connect
) -> None:
    """The library lets go of what it closes, which waits until its client has taken the rest."""
    _, one = await slow_client(accepting, connect, b"GET /large HTTP/1.1\r\nHost: m\r\n\r\n")
    one.force_close()
    accepting._limits = ConnectionLimits(100, head=-1, idle=-1)
    accepting._look_around()
    await turn_until(lambda: accepting.connections == 0)


async def test_who_takes_an_answer_is_not_idle(accepting: Acceptor, connect: Connect) -> None:
    reader, one = await slow_client(accepting, connect, b"GET /large HTTP/1.1\r\nHost: m\r\n\r\n")
    accepting._look_around()
    waited = one.waits_since
    assert waited is not None
    accepting._look_around()
    assert one.waits_since == waited, "nothing was taken"
    await reader.readexactly(100_000)
    await turn_until(lambda: left_by(one) != one._left)
    accepting._look_around()
    assert one.waits_since > waited


async def test_who_takes_all_that_comes_is_not_idle_with_as_much_left(
    accepting: Acceptor, connect: Connect
) -> None:
    """What is left may be as much at each look."""
    reader, one = await slow_client(accepting, connect, b"GET /some HTTP/1.1\r\nHost: m\r\n\r\n")
    accepting._look_around()
    waited, left = one.waits_since, one._left
    assert waited is not None
    await reader.readexactly(SOME - 10_000)
    await turn_until(lambda: one._left != left)
    accepting._look_around()
    assert one.waits_since is None or one.waits_since > waited


async def test_who_takes_what_the_kernel_holds_is_not_idle(accepting: Acceptor) -> None:
    """It takes no more from us before most of that is gone."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    accepting._coming += 1
    one = HttpConnection(accepting._server, accepting, accepting._turns, 75.0)
    with theirs:
        await asyncio.get_running_loop().connect_accepted_socket(lambda: one, ours)
        theirs.sendall(b"GET /large HTTP/1.1\r\nHost: m\r\n\r\n")
        await turn_until(lambda: one.waits_since is not None and left_by(one) > 0)
        accepting._look_around()
        waited, left = one.untaken_since, left_by(one)
        assert waited is not None
        theirs.recv(50_000)
        accepting._look_around()
        assert left_by(one) == left
        assert one.untaken_since is not None
        assert one.untaken_since > waited
        one.drop()
        await turn_until(lambda: accepting.connections == 0)


async def test_a_head_begins_with_the_first_bytes_however_early(accepting: Acceptor) -> None:
    """Some loops hand them over before the library waits for a request."""

    class Eager(HttpConnection):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            self.data_received(b"GET / HT")

    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    accepting._coming += 1
    made = Eager(accepting._server, accepting, accepting._turns, 75.0)
    with theirs:
        await asyncio.get_running_loop().connect_accepted_socket(lambda: made, ours)
        await turn_until(lambda: made.met)
        assert made.head_since is not None
        made.drop()
        await turn_until(lambda: accepting.connections == 0)


async def test_the_library_ends_nobody(accepting: Acceptor, connect: Connect) -> None:
    """It would not know how to, where something is left: the acceptor does."""
    reader, writer = await connect()
    writer.write(b"GET /1 HTTP/1.1\r\nHost: m\r\n\r\n")
    await reader.readuntil(b"!")
    (one,) = accepting._open
    await turn_until(lambda: one._keepalive_handle is not None)
    one._next_keepalive_close_time = 0.0
    one._process_keepalive()
    assert one.transport is not None
    assert not one.transport.is_closing()


async def test_what_comes_behind_a_declined_upgrade_is_answered(
    connect: Connect, accepting: Acceptor
) -> None:
    """It came while that was decided."""
    reader, writer = await connect()
    head = b"Host: m\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
    writer.write(b"GET /held HTTP/1.1\r\n" + head)
    await HELD.begun.wait()
    writer.write(posted(2))
    await turn_until(lambda: any(one.behind for one in accepting._open))
    HELD.over.set()
    assert b"held" in await reader.readuntil(b"held")
    assert (await reader.readuntil(b"!")).split(b" ")[-2].endswith(b"/2")


async def test_a_request_behind_an_answer_is_no_head_that_does_not_end(
    accepting: Acceptor, connect: Connect
) -> None:
    """However long its client takes for the answer."""
    reader, writer = await connect()
    reader._limit = 1  # type: ignore[attr-defined] # of the stream that is not read
    writer.write(b"GET /large HTTP/1.1\r\nHost: m\r\n\r\n" * 20)
    await turn_until(lambda: any(one.waits_since is not None and left_by(one) for one in accepting._open))
    (one,) = accepting._open
    read = one._request_count
    writer.write(b"GET /large HTTP/1.1\r\nHost: m\r\n\r\n")
    await turn_until(lambda: one._request_count > read)
    assert one.head_since is None


async def test_a_body_that_nobody_read_yet_ends_whenever_its_parser_was_paused(connect: Connect) -> None:
    """Behind a request that takes its time; the library pauses it between two feeds."""
    reader, writer = await connect()
    head = b"POST /2 HTTP/1.1\r\nHost: m\r\nTransfer-Encoding: chunked\r\n\r\n"
    writer.write(b"GET /held HTTP/1.1\r\nHost: m\r\n\r\n" + head + b"1\r\na\r\n" * 16_385)
    await HELD.begun.wait()
    await writer.drain()
    HELD.over.set()
    assert b"held" in await reader.readuntil(b"held")
    writer.write(b"1\r\na\r\n0\r\n\r\n")
    digest = hashlib.sha256(b"a" * 16_386).hexdigest().encode()
    assert (await reader.readuntil(b"!")).endswith(b"/2 " + digest + b"!")


class Waiting:
    """Something with bytes; `told` is who was fed, in order."""

    def __init__(self, name: str, size: int, told: list[str]) -> None:
        self.name, self.behind, self.told = name, size, told
        self.dropped = False

    def feed_slice(self, size: int) -> bool:
        self.told.append(self.name)
        if self.name == "broken":
            raise ValueError(self.name)
        self.behind = max(0, self.behind - size)
        return self.behind > 0

    def drop(self) -> None:
        self.dropped = True


async def test_one_that_cannot_be_parsed_keeps_nobody_waiting(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(turns, "SECONDS", ONE_SLICE)
    told = list[str]()
    sharing = ParsingTurns(asyncio.get_running_loop())
    broken = Waiting("broken", 1, told)
    for one in (broken, Waiting("a", 3 * SHORTEST, told)):
        sharing.queue(one)
    await turn_until(lambda: len(told) >= 3)
    assert broken.dropped
    assert "parsing failed" in caplog.text


async def test_each_in_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "SECONDS", ONE_SLICE)
    monkeypatch.setattr(turns, "QUICK", 0.0)
    told = list[str]()
    sharing = ParsingTurns(asyncio.get_running_loop())
    for name in ("a", "b"):
        sharing.queue(Waiting(name, 9 * SHORTEST, told))
    await turn_until(lambda: len(told) == 3)
    for name in ("c", "d"):
        sharing.queue(Waiting(name, 1, told))
    await turn_until(lambda: len(told) == 20)
    # The short ones do not wait for all that the long ones have, nor these for all of them.
    assert "".join(told[3:7]) in ("cbda", "bcad")
    assert "".join(name for name in told if name in "ab").startswith("ab" * 7)

"""Both transports on one address (modules 1.3, 1.5)."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from genvm_module.contract import ConfigurationRefused
from genvm_module.standalone import AddressUnusable, StandaloneProgram
from genvm_wire.calldata import decode, encode

from .parrot import Parrot
from .peers import HOST_DATA, Peer, framed, hello


@asynccontextmanager
async def listening(
    config: Mapping[str, object] | None = None, listen: str = "127.0.0.1:0", limit: int = 8
) -> AsyncIterator[str]:
    program = StandaloneProgram(Parrot(), listen, config or {}, session_limit=limit)
    task = asyncio.ensure_future(program.serve())
    first: list[asyncio.Future[Any]] = [task, program.listening]
    await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
    try:
        if not task.done():
            yield program.listening.result()
    finally:
        program.stop()
        await task


async def dial(address: str) -> Peer:
    host, _, port = address.rpartition(":")
    sock = socket.socket()
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, (host, int(port)))
    return await Peer(sock).open()


async def test_framed_and_websocket_on_one_port() -> None:
    async with listening() as address, aiohttp.ClientSession() as http:
        peer = await dial(address)
        peer.send(hello() + framed("framed"))
        assert await peer.receive() == {"Ok": "framed"}
        async with http.ws_connect(f"ws://{address}/any/path") as ws:
            await ws.send_bytes(encode({"cookie": "c1", "host_data": HOST_DATA}))
            await ws.send_bytes(encode("over W"))
            assert decode(await ws.receive_bytes()) == {"Ok": "over W"}
        await peer.close()


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://{address}", ""])
async def test_a_web_page_may_not_connect(origin: str) -> None:
    async with listening() as address, aiohttp.ClientSession() as http:
        headers = {"Origin": origin.format(address=address)}
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await http.ws_connect(f"ws://{address}/", headers=headers)
        assert refused.value.status == 403


async def test_a_ping_before_hello_is_answered() -> None:
    async with listening() as address, aiohttp.ClientSession() as http:
        async with http.ws_connect(f"ws://{address}/", autoping=False) as ws:
            await ws.ping(b"early")
            message = await ws.receive()
            assert (message.type, message.data) == (aiohttp.WSMsgType.PONG, b"early")


async def test_a_text_message_counts_as_its_bytes() -> None:
    async with listening() as address, aiohttp.ClientSession() as http:
        async with http.ws_connect(f"ws://{address}/") as ws:
            await ws.send_bytes(encode({"host_data": HOST_DATA}))
            await ws.send_str(encode("GetStats").decode())
            assert "Ok" in str(decode(await ws.receive_bytes()))


async def test_a_message_of_twenty_mebibytes_is_taken() -> None:
    async with listening() as address, aiohttp.ClientSession() as http:
        async with http.ws_connect(f"ws://{address}/", max_msg_size=0) as ws:
            await ws.send_bytes(encode({"host_data": HOST_DATA}))
            await ws.send_bytes(encode({"big": bytes(20 << 20)}))
            answer = decode(await ws.receive_bytes())
            # The echo does not fit the 16 MiB that an executor takes in one WebSocket frame.
            assert "ANSWER_TOO_LARGE" in str(answer)


async def test_hello_without_identity_drops_the_session() -> None:
    async with listening() as address:
        peer = await dial(address)
        peer.send(framed({"host_data": {}}) + framed("x"))
        assert await peer.at_end()
        await peer.close()


async def test_a_plain_http_request_is_told_what_this_is() -> None:
    async with listening() as address, aiohttp.ClientSession() as http:
        async with http.get(f"http://{address}/") as response:
            assert response.status == 426


async def test_sessions_are_bounded_on_both_transports() -> None:
    async with listening(limit=1) as address, aiohttp.ClientSession() as http:
        first = await dial(address)
        first.send(hello() + framed("x"))
        await first.receive()
        second = await dial(address)
        second.send(hello())
        assert await second.at_end()
        async with http.get(f"http://{address}/") as response:
            assert response.status == 503
        await first.close()
        await second.close()


async def test_user_error_mode() -> None:
    async with listening({"user_error": True}) as address:
        peer = await dial(address)
        peer.send(framed("no hello") + framed("x"))
        assert await peer.receive() == {"UserError": {"causes": ["MODULE_USER_ERROR"], "ctx": {}}}
        await peer.close()


async def test_a_unix_socket_replaces_a_stale_one_and_is_removed_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "below" / "m.sock"
    path.parent.mkdir()
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(path))
    stale.close()
    async with listening(listen=f"unix://{path}"):
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(hello() + framed("x"))
        assert await reader.readexactly(4)
        writer.close()
        await writer.wait_closed()
    assert not path.exists()


@pytest.mark.parametrize("umask", [0o000, 0o077], ids=oct)
async def test_a_unix_socket_is_its_owner_s_and_group_s_whatever_the_umask(
    tmp_path: Path, umask: int
) -> None:
    before = os.umask(umask)
    try:
        async with listening(listen=f"unix://{tmp_path}/m.sock"):
            assert stat.S_IMODE((tmp_path / "m.sock").stat().st_mode) == 0o660
    finally:
        os.umask(before)


async def test_a_bad_configuration_or_address_ends_the_start() -> None:
    with pytest.raises(ConfigurationRefused):
        async with listening({"refuse": "no"}):
            pass
    with pytest.raises(AddressUnusable):
        async with listening(listen="nonsense"):
            pass

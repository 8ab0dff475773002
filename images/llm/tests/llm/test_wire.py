"""The worked messages of modules 6, byte for byte, through the whole module."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from genvm_llm.service import LlmModule
from genvm_module.standalone import StandaloneProgram
from genvm_wire.calldata import encode

from .provider_server import openai_reply, provider
from .talk import backend

S2_HELLO = (
    "000000682e086761735f64617461060867656e766d5f69643909686f73745f64617461160c6e6f64655f6164647265737324307830310574"
    "785f696424307830321d696e697469616c5f74696d655f756e6974735f616c6c6f636174696f6e0104726f6c65344c6561646572"
)
S1_HELLO = (
    "00000033160867656e766d5f69643909686f73745f64617461160c6e6f64"
    "655f6164647265737324307830310574785f69642430783032"
)
PROMPT = (
    "0e0650726f6d707416077061796c6f61641e06696d61676573050670726f6d707424322b323f0f726573706f6e73655f666f726d6174"
    "24746578741572656d61696e696e675f6675656c5f61735f67656e81a4e803"
)
S_PROMPT = "00000055" + PROMPT
TEMPLATE = (
    "000000770e0e50726f6d707454656d706c61746516077061796c6f6164260d6c65616465725f616e737765720c61097072696e6369706c65"
    "0c700874656d706c6174656c4571436f6d70617261746976651076616c696461746f725f616e737765720c621572656d61696e696e675f66"
    "75656c5f61735f67656e01"
)
ANSWER = "0e024f6b160c636f6e73756d65645f67656e0104646174610c34"
S_ANSWER = "0000001a" + ANSWER
TRUE_ANSWER = "000000190e024f6b160c636f6e73756d65645f67656e01046461746110"
W1_HELLO = (
    "1606636f6f6b696514633109686f73745f64617461160c6e6f64655f6164647265737324307830310574785f69642430783032"
)
W3_HELLO = (
    "160867656e766d5f69643909686f73745f64617461160c6e6f64655f6164647265737324307830310574785f69642430783032"
)
USER_ERROR = (
    "0000002c0e09557365724572726f7216066361757365730d8c014d4f44554c455f555345525f4552524f520363747806"
)


@asynccontextmanager
async def module(reply: Any = None, **config: Any) -> AsyncIterator[str]:
    """The address of a module whose provider answers with `reply`."""
    async with provider(reply or openai_reply("4")) as server:
        whole = {"backends": {"b": backend(server.url)}, **config}
        program = StandaloneProgram(LlmModule(), "127.0.0.1:0", whole, session_limit=8)
        serving = asyncio.ensure_future(program.serve())
        first: list[asyncio.Future[Any]] = [serving, program.listening]
        await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        try:
            yield program.listening.result()
        finally:
            program.stop()
            await serving


async def exchange(address: str, sent: str, count: int) -> str:
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(bytes.fromhex(sent))
    answer = await reader.readexactly(count)
    writer.close()
    await writer.wait_closed()
    return answer.hex()


@pytest.mark.parametrize("hello", [S1_HELLO, S2_HELLO], ids=["S1", "S2"])
async def test_prompt_on_s(hello: str) -> None:
    async with module() as address:
        assert await exchange(address, hello + S_PROMPT, 30) == S_ANSWER


async def test_template_on_s() -> None:
    async with module(openai_reply('{"reason": "", "result": true}')) as address:
        assert await exchange(address, S2_HELLO + TEMPLATE, 29) == TRUE_ANSWER


async def test_json_on_s_is_text() -> None:
    request = PROMPT.replace("24746578741572", "246a736f6e1572")
    expected = "000000200e024f6b160c636f6e73756d65645f67656e0104646174613c7b2261223a317d"
    async with module(openai_reply('{"a":1}')) as address:
        assert await exchange(address, S2_HELLO + "00000055" + request, 36) == expected


async def test_user_error_mode_on_s() -> None:
    async with module(user_error=True) as address:
        assert await exchange(address, S2_HELLO + S_PROMPT, 48) == USER_ERROR


@pytest.mark.parametrize("hello", [W1_HELLO, W3_HELLO], ids=["W1", "W3"])
async def test_prompt_and_statistics_on_w(hello: str) -> None:
    async with module() as address, aiohttp.ClientSession() as http:
        async with http.ws_connect(f"ws://{address}/") as ws:
            await ws.send_bytes(bytes.fromhex(hello))
            await ws.send_bytes(bytes.fromhex(PROMPT))
            assert (await ws.receive_bytes()).hex() == ANSWER
            await ws.send_bytes(bytes.fromhex("444765745374617473"))
            assert b"requests_count" in await ws.receive_bytes()


async def test_the_exhausted_budget_on_s() -> None:
    expected = "0000003d0e024f6b160c636f6e73756d65645f67656ef9" + "ff" * 35 + "7f046461746104"
    hello = encode(
        {
            "genvm_id": 7,
            "host_data": {"node_address": "0x01", "tx_id": "0x02"},
            "gas_data": {"genPerTimeUnit": "1000000000"},
        }
    )
    async with module() as address:
        sent = len(hello).to_bytes(4, "big").hex() + hello.hex() + S_PROMPT
        assert await exchange(address, sent, 65) == expected

"""A connection that is accepted while its server ends has a handler."""

from __future__ import annotations

import asyncio
import gc
import socket
from pathlib import Path

import pytest

from genvm_module.listening import stop_listening


@pytest.mark.parametrize("turns", range(6))
async def test_whoever_was_accepted_is_served_and_nobody_is_forgotten(tmp_path: Path, turns: int) -> None:
    served = asyncio.Event()

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.set()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_unix_server(serve, str(tmp_path / "s"))
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(tmp_path / "s"))
        for _ in range(turns):
            await asyncio.sleep(0)
        await stop_listening(server)
        assert not server.is_serving()
        # One turn is for the loop to see that somebody is there, one to accept.
        assert served.is_set() or turns < 2
    gc.collect()


async def test_nobody_is_accepted_afterwards(tmp_path: Path) -> None:
    server = await asyncio.start_unix_server(lambda _, writer: writer.close(), str(tmp_path / "s"))
    await stop_listening(server)
    with socket.socket(socket.AF_UNIX) as client, pytest.raises(ConnectionRefusedError):
        client.connect(str(tmp_path / "s"))

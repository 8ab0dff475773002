"""The engine itself: one connection for a call."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from orchestrator.engine_filter.exchange import Call, Refusal

LONGEST_ANSWER: Final = 4 * 1024 * 1024
ANSWER_TIME_S: Final = 30.0
CHUNK: Final = 64 * 1024


class Upstream:
    """Speaks to the engine at the unix socket `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def inspect(self, container: str, version: str) -> Mapping[str, object] | None:
        """What the engine knows of a container; null when there is none of that name. Raises Refusal."""
        asked = Call("GET", f"/containers/{container}/json", {}, version=version)
        async with asyncio.timeout(ANSWER_TIME_S):
            reader, writer = await self._send(asked)
            try:
                raw = await reader.read(LONGEST_ANSWER)
                while more := await reader.read(CHUNK):
                    raw += more
                    if len(raw) > LONGEST_ANSWER:
                        raise Refusal(502, "the engine's answer is too long")
            finally:
                writer.close()
        return _inspected(raw)

    async def relay(self, call: Call, client: asyncio.StreamReader, answers: asyncio.StreamWriter) -> None:
        """Make the call; its answer goes out as it comes, until it or the client ends. Raises Refusal."""
        reader, writer = await self._send(call)
        try:
            async with asyncio.TaskGroup() as both:
                pumping = both.create_task(_pump(reader, answers))
                watching = both.create_task(client.read(1))
                await asyncio.wait({pumping, watching}, return_when=asyncio.FIRST_COMPLETED)
                pumping.cancel()
                watching.cancel()
        except* ConnectionError:
            pass  # one of the two is gone, and so is what was said between them
        finally:
            writer.close()

    async def _send(self, call: Call) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            reader, writer = await asyncio.open_unix_connection(str(self._path), limit=CHUNK)
            writer.write(call.as_bytes())
            await writer.drain()
        except OSError as error:
            raise Refusal(502, f"the container engine does not answer: {error.strerror}") from error
        return reader, writer


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(CHUNK):
        writer.write(chunk)
        await writer.drain()


def _inspected(raw: bytes) -> Mapping[str, object] | None:
    head, _, body = raw.partition(b"\r\n\r\n")
    status = head.split(b" ", 2)[1:2]
    if status == [b"404"]:
        return None
    if b"transfer-encoding: chunked" in head.lower():
        body = _whole(body)
    with suppress(ValueError):
        found = json.loads(body)
        if status == [b"200"] and isinstance(found, dict):
            return found
    raise Refusal(502, "the container engine says nothing of use about a container")


def _whole(chunked: bytes) -> bytes:
    """A body that came in chunks. Raises ValueError."""
    whole, rest = b"", chunked
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size.split(b";")[0], 16)
        if not length:
            break
        whole, rest = whole + rest[:length], rest[length + 2 :]
    return whole

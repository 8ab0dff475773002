"""Requests byte by byte, as no HTTP client lets one send them."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from multidict import CIMultiDict


@dataclass(frozen=True, slots=True)
class RawAnswer:
    status: int
    headers: CIMultiDict[str]
    body: bytes

    @property
    def error(self) -> str:
        """The text of a refusal; every one has to be JSON of this form."""
        answer: dict[str, Any] = json.loads(self.body)
        assert list(answer) == ["error"]
        return str(answer["error"])


async def exchange(address: str, request: bytes) -> RawAnswer:
    """Send `request` to `unix://path` or `http://host:port`; the first answer, without its body's rest."""
    if address.startswith("unix://"):
        reader, writer = await asyncio.open_unix_connection(address.removeprefix("unix://"))
    else:
        host, _, port = address.removeprefix("http://").rpartition(":")
        reader, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    try:
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        lines = (line.partition(": ") for line in head[1:] if line)
        headers = CIMultiDict((name, value) for name, _, value in lines)
        length = 0 if request.startswith(b"HEAD ") else int(headers.get("Content-Length", "0"))
        return RawAnswer(int(head[0].split()[1]), headers, await reader.readexactly(length))
    finally:
        writer.close()


def request(method: str, target: str, *headers: str, version: str = "1.1", body: bytes = b"") -> bytes:
    """The bytes of a request; each header is a line, sent as it is."""
    lines = (f"{method} {target} HTTP/{version}", *headers, f"Content-Length: {len(body)}", "", "")
    return "\r\n".join(lines).encode("latin-1") + body


async def until_the_end(reader: asyncio.StreamReader) -> bytes:
    """All that comes until the connection ends, in whatever way."""
    said = b""
    with suppress(ConnectionResetError):
        while piece := await reader.read(1 << 20):
            said += piece
    return said

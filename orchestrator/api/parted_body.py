"""A body of JSON that is kept in parts, for many who ask: as it is, as gzip, or that it is what they have.

A large one is never put together: it is written part by part as its client takes it, so that however slowly
some take theirs they hold no copies, only parts that are out of date by then.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Coroutine, Sequence
from itertools import count
from typing import Any

from aiohttp import ETag, hdrs, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import Payload

from orchestrator.api.squeezed import LARGE, Part, gzip_of, takes_gzip

JSON_TYPE = "application/json"
Spawn = Callable[[str, Coroutine[Any, Any, bytes]], asyncio.Task[bytes]]
_PROCESS = secrets.token_hex(6)
_numbers = count()


class PartedBody:
    """One that does not change any more. `spawn` has a gzip of it made."""

    def __init__(self, parts: Sequence[Part], spawn: Spawn) -> None:
        self._parts = parts
        self._spawn = spawn
        self._size = sum(len(part.text) for part in parts)
        self._small = self.whole() if self._size < LARGE else None
        self._etag = ETag(f"{_PROCESS}-{next(_numbers)}", is_weak=True)
        self._squeezing: asyncio.Task[bytes] | None = None

    async def answer(self, request: web.Request) -> web.Response:
        """To who asks, as it takes it best."""
        varies: dict[str, str] = {hdrs.VARY: hdrs.ACCEPT_ENCODING}
        headers = {} if self._small is not None else varies
        if self._etag.value in (known.value for known in request.if_none_match or ()):
            answer = web.Response(status=304, headers=headers)
        elif self._small is not None:
            answer = web.Response(body=self._small, content_type=JSON_TYPE)
        elif takes_gzip(",".join(request.headers.getall(hdrs.ACCEPT_ENCODING, ()))):
            squeezed = await self._squeezed()
            headers[hdrs.CONTENT_ENCODING] = "gzip"
            answer = web.Response(body=InParts([squeezed], len(squeezed)), headers=headers)
        else:
            texts = [part.text for part in self._parts]
            answer = web.Response(body=InParts(texts, self._size), headers=headers)
        answer.etag = self._etag
        return answer

    def whole(self) -> bytes:
        return b"".join(part.text for part in self._parts)

    async def _squeezed(self) -> bytes:
        """Made once, on a thread that lets the loop go on. Who goes away meanwhile leaves it to others."""
        if self._squeezing is None:
            self._squeezing = self._spawn("squeeze", asyncio.to_thread(gzip_of, self._parts))
        return await asyncio.shield(self._squeezing)


class InParts(Payload):
    """What the library writes of a body, and lets go of then: it remembers a connection's last answer."""

    def __init__(self, texts: Sequence[bytes | memoryview], size: int) -> None:
        super().__init__(None, content_type=JSON_TYPE)
        self._texts = texts
        self._size = size

    async def write(self, writer: AbstractStreamWriter) -> None:
        for text in self._texts:
            await writer.write(text)

    async def close(self) -> None:
        self._texts = ()
        await super().close()

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return b"".join(self._texts).decode(encoding, errors)

"""Requests to the API server: who we are, time-outs, and one kind of error.

The only place of the runtimes that speaks HTTP.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from typing import TypeVar

import aiohttp
import structlog

from orchestrator.runtime.call_tally import CallResult, CallTally
from orchestrator.runtime.kubernetes.cluster import Cluster
from orchestrator.runtime.kubernetes.failures import (
    ServerAnswer,
    Unauthorized,
    Unreadable,
    failure_of,
    is_the_servers,
    json_in,
)
from orchestrator.runtime.port import EngineRefused, EngineUnreachable

log = structlog.get_logger(__name__)

T = TypeVar("T")

QUICK, LONG = 10.0, 30.0
"""Seconds for a call, and for a list of everything. Under load a server keeps calls waiting for seconds."""
_TOKEN_AGE = 60.0
"""Seconds before the token's file is read again: it is replaced well before it ends."""
_LONGEST_LINE = 8 * 1024 * 1024
"""Of a watch. An object has 3 MiB at most."""


_KINDS = frozenset({"pods"})


class NotConnected(EngineUnreachable):
    """No connection could be made: what was asked for has certainly not been done."""


def operation_of(method: str, path: str) -> str:
    """What a request is, without the names in it: `POST pods`, `GET pods/log`. One of a closed set."""
    _, _, rest = path.partition("/namespaces/")
    segments = rest.split("/")[1:]
    kind = segments[0] if segments and segments[0] in _KINDS else "other"
    return f"{method} {kind}/log" if segments[2:] == ["log"] else f"{method} {kind}"


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    path: str
    query: Mapping[str, str]
    data: bytes | None
    headers: Mapping[str, str]
    limits: aiohttp.ClientTimeout
    again: bool = False
    """With a token that was read anew: one that is not taken now is none."""


class ApiServer:
    """Owns the connections. `on_lost` is called when a call's end says that it is reachable no more.

    It is `reachable` when its last answer was one that only an API server gives, read to the end, or that
    it has too much to do; what something on the way answers, a proxy's page mostly, says that it is not, and
    so does its own word that it does not know who asks.
    """

    def __init__(self, cluster: Cluster, on_lost: Callable[[], None] = lambda: None) -> None:
        self.cluster = cluster
        self.reachable = False
        self.on_lost = on_lost
        self.calls_in_flight = 0
        self.absences = 0
        self.tally = CallTally()
        self._session: aiohttp.ClientSession | None = None
        self._opening = asyncio.Lock()
        self._token: str | None = None
        self._read_at: float | None = None

    async def send(
        self,
        method: str,
        path: str,
        read: Callable[[Mapping[str, object]], T],
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, object] | None = None,
        content_type: str = "application/json",
        timeout: float = QUICK,
    ) -> T:
        """What `read` makes of the object that is the answer; it raises Unreadable when it is another one.

        Raises what `failures` names, NotConnected.
        """

        def understood(answer: bytes) -> T:
            said = read(_object_in(answer))
            self._note(reachable=True)
            return said

        request = _Request(
            method,
            path,
            query or {},
            None if body is None else json.dumps(body).encode(),
            {} if body is None else {"Content-Type": content_type},
            aiohttp.ClientTimeout(total=timeout),
        )
        return await self._asked(request, understood)

    async def text(self, path: str, query: Mapping[str, str]) -> str:
        """An answer that is no object, so that nobody knows who gave it. Raises like `send`."""
        request = _Request("GET", path, query, None, {}, aiohttp.ClientTimeout(total=QUICK))
        return await self._asked(request, lambda body: body.decode("utf-8", "replace"))

    async def _asked(self, request: _Request, read: Callable[[bytes], T]) -> T:
        try:
            return await self._sent(request, read)
        except Unauthorized:
            self._read_at = None
        return await self._sent(replace(request, again=True), read)

    async def _sent(self, request: _Request, read: Callable[[bytes], T]) -> T:
        self.calls_in_flight += 1
        before = self.absences
        begun, result = time.monotonic(), CallResult.UNANSWERED
        try:
            async with self._answer(request) as answer:
                said = read(await answer.read())
        except (EngineRefused, Unauthorized):
            result = CallResult.REFUSED
            raise
        except Unreadable as unreadable:
            self._note(reachable=False, why=str(unreadable))
            raise
        else:
            result = CallResult.OK
            return said
        finally:
            self.calls_in_flight -= 1
            operation = operation_of(request.method, request.path)
            self.tally.note(operation, result, time.monotonic() - begun)
            # One that began in an absence may be what begins the next one.
            if self.absences != before and not self.reachable:
                self.on_lost()

    async def date(self) -> str | None:
        """What time it is there, as it says so beside an answer. Raises like `send`."""
        path = f"/api/v1/namespaces/{self.cluster.namespace}/pods"
        limits = aiohttp.ClientTimeout(total=QUICK)
        async with self._answer(_Request("GET", path, {"limit": "1"}, None, {}, limits)) as answer:
            return answer.headers.get("Date")

    @asynccontextmanager
    async def lines(
        self, path: str, query: Mapping[str, str], read: Callable[[bytes], T]
    ) -> AsyncIterator[AsyncIterator[T]]:
        """What `read` makes of each line of an answer that goes on; a last one that was cut is dropped.

        They end when the server ends it in order. Raises like `send`, also between two lines.
        """
        limits = aiohttp.ClientTimeout(total=None, sock_connect=QUICK)
        async with self._answer(_Request("GET", path, query, None, {}, limits)) as answer:
            lines = self._understood(whole_lines(answer.content.iter_any()), read)
            try:
                if answer.content_type.startswith("text/"):
                    raise Unreadable(f"the API server answered a watch with {answer.content_type}")
                async with aclosing(lines):
                    yield lines
            except Unreadable as unreadable:
                self._note(reachable=False, why=str(unreadable))
                raise

    async def _understood(
        self, lines: AsyncIterator[bytes], read: Callable[[bytes], T]
    ) -> AsyncGenerator[T, None]:
        async for line in lines:
            said = read(line)
            self._note(reachable=True)
            yield said

    @asynccontextmanager
    async def _answer(self, request: _Request) -> AsyncIterator[aiohttp.ClientResponse]:
        session = await self._opened()
        headers = {"Accept": "application/json", **request.headers, **await self._authorization()}
        try:
            async with session.request(
                request.method,
                self.cluster.server + request.path,
                params=request.query,
                headers=headers,
                data=request.data,
                timeout=request.limits,
                allow_redirects=False,
            ) as answer:
                if answer.status >= 300:
                    body = await answer.read()
                    said = ServerAnswer(answer.status, body, answer.headers.get("Retry-After"))
                    failure = failure_of(said)
                    if not isinstance(failure, Unauthorized):
                        self._note(reachable=is_the_servers(said), why=str(failure))
                    elif request.again:
                        self._note(reachable=False, why=str(failure))
                    raise failure
                yield answer
        except aiohttp.ClientConnectorError as error:
            self._note(reachable=False, why=str(error))
            raise NotConnected(f"the API server cannot be reached: {error}") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            why = str(error) or type(error).__name__
            self._note(reachable=False, why=why)
            raise EngineUnreachable(f"the API server does not answer: {why}") from error

    def _note(self, *, reachable: bool, why: str = "") -> None:
        if reachable == self.reachable:
            return
        self.reachable = reachable
        if reachable:
            log.info("api_server_reachable")
        else:
            self.absences += 1
            log.warning("api_server_unreachable", error=why)

    async def _authorization(self) -> dict[str, str]:
        now = asyncio.get_running_loop().time()
        if self._read_at is None or now - self._read_at > _TOKEN_AGE:
            self._token = await asyncio.to_thread(self.cluster.token)
            self._read_at = now
        return {} if self._token is None else {"Authorization": f"Bearer {self._token}"}

    async def _opened(self) -> aiohttp.ClientSession:
        async with self._opening:
            if self._session is None:
                tls = await asyncio.to_thread(self.cluster.tls)
                connector = aiohttp.TCPConnector(limit=0, ssl=True if tls is None else tls)
                self._session = aiohttp.ClientSession(connector=connector)
            return self._session

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()


def of_kind(*kinds: str) -> Callable[[Mapping[str, object]], Mapping[str, object]]:
    """A reader for `ApiServer.send` that takes an object of one of `kinds` as it is."""

    def read(answer: Mapping[str, object]) -> Mapping[str, object]:
        if (kind := answer["kind"]) not in kinds:
            raise Unreadable(f"the API server answered with a {str(kind)[:40]} instead of a {kinds[0]}")
        return answer

    return read


def _object_in(body: bytes) -> Mapping[str, object]:
    """What the API server answers says of itself what it is. Raises Unreadable: it was somebody else's."""
    try:
        value = json_in(body)
    except ValueError as error:
        raise Unreadable("the API server answered with something that is not JSON") from error
    if not isinstance(value, dict) or not isinstance(value.get("kind"), str):
        raise Unreadable("the API server answered with something that is no object of a cluster")
    return value


async def whole_lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Split at line ends, wherever chunks end. Raises EngineUnreachable when a line has no end."""
    parts: list[bytes] = []
    held = 0
    async for chunk in chunks:
        first, *others = chunk.split(b"\n")
        parts.append(first)
        held += len(first)
        for other in others:
            line = b"".join(parts)
            parts, held = [other], len(other)
            if line.strip():
                yield line
        if held > _LONGEST_LINE:
            raise EngineUnreachable("the API server sent a line without an end")

"""Who looks at the operator's page: each is told the newest snapshot, however fast or slow it reads.

What they cost is bounded. A snapshot is made once for all readers of a namespace, at most once in an
interval, and less often where making it takes long. For a reader that does not read nothing piles up: one
snapshot is on its way, the next is the newest there is by then, and one that takes nothing for a while is
hung up on. Without readers nothing is made.
"""

from __future__ import annotations

import asyncio

import structlog
from aiohttp import hdrs, web

from orchestrator.access.caller import Caller
from orchestrator.access.register import Known, Register
from orchestrator.api.callers import KNOWN, caller_of
from orchestrator.api.context import ApiContext
from orchestrator.api.errors import error_response
from orchestrator.api.ui.snapshot import Moment, encoded, greeting, moment_of, snapshot

log = structlog.get_logger(__name__)

MOST, MOST_OF_ONE = 64, 16
"""Readers at a time, and those of one token: one that may only look leaves the others their pages."""
SHARE = 0.02
"""Of the loop's time that snapshots may take."""
HEADERS = {
    hdrs.CONTENT_TYPE: "text/event-stream",
    hdrs.CACHE_CONTROL: "no-store",
    "X-Accel-Buffering": "no",  # a proxy in between passes each event on as it comes
    "X-Content-Type-Options": "nosniff",
}


class Reader:
    """One page. `known`: its token, null where none is needed."""

    def __init__(self, caller: Caller, known: Known | None, transport: asyncio.Transport) -> None:
        self.namespace = caller.sees
        self.known = known
        self.transport = transport
        self._newest: bytes | None = None
        self._told = asyncio.Event()
        self._over = False

    def is_of(self, known: Known) -> bool:
        """Whether it came with that token."""
        return self.known is not None and self.known.token.digest == known.token.digest

    def offer(self, event: bytes) -> None:
        """What to tell it next; what was to be told before and was not is forgotten."""
        self._newest = event
        self._told.set()

    def finish(self) -> None:
        """It is told nothing more."""
        self._over = True
        self._told.set()

    def cut(self) -> None:
        """It may not be told anything any more, not even what is on its way."""
        self.finish()
        self.transport.abort()

    async def next_event(self) -> bytes | None:
        """The newest event that it has not been told; null: that was all."""
        while not self._over:
            await self._told.wait()
            self._told.clear()
            event, self._newest = self._newest, None
            if event is not None and not self._over:
                return event
        return None


class Readers:
    """All pages of this manager. `made`: how many snapshots there were."""

    def __init__(self, context: ApiContext) -> None:
        self._context = context
        self._open: set[Reader] = set()
        self._last: dict[str | None, tuple[Moment, bytes]] = {}
        self._telling: asyncio.Task[None] | None = None
        self._closing = False
        self.made = 0
        tokens = context.access.tokens
        self._register: Register | None = None if tokens is None else tokens.register
        if self._register is not None:
            self._register.changed.append(self._cut_off)

    def __len__(self) -> int:
        return len(self._open)

    @property
    def open(self) -> tuple[Reader, ...]:
        """Who looks now."""
        return tuple(self._open)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is made for anybody."""
        return self._telling is None

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """One page, until it goes, takes nothing for too long, or its token is taken out."""
        if len(self._open) >= MOST or self._closing:
            return error_response(f"{MOST} pages are looking already: close some", 503, retry=True)
        known = request.get(KNOWN)
        if known is not None and sum(one.is_of(known) for one in self._open) >= MOST_OF_ONE:
            return error_response(
                f"{MOST_OF_ONE} pages are looking with this token already: close some", 503, retry=True
            )
        if request.transport is None:
            raise ConnectionResetError
        caller = caller_of(request)
        reader = Reader(caller, known, request.transport)
        # Wait for the page after each event, not after each 64 KiB of them.
        request.transport.set_write_buffer_limits(0)
        response = web.StreamResponse(headers=HEADERS)
        self._open.add(reader)
        try:
            await response.prepare(request)
            await self._tell(request, response, encoded("hello", greeting(self._context, caller)))
            self._begin(reader)
            while (event := await reader.next_event()) is not None:
                await self._tell(request, response, event)
        except TimeoutError:
            log.info("page_hung_up_on", reason="it takes nothing of what it is told")
            request.transport.abort()
        finally:
            self._open.discard(reader)
        return response

    async def _tell(self, request: web.Request, response: web.StreamResponse, event: bytes) -> None:
        async with asyncio.timeout(self._context.times.page_patience):
            await response.write(event)
            await request.writer.drain()

    def _begin(self, reader: Reader) -> None:
        """Somebody looks: what there is now is told at once, and from now on what changes."""
        if self._closing:
            reader.finish()
            return
        last = self._last.get(reader.namespace)
        # Pages that come again and again cost no snapshot each.
        reader.offer(self._event_for(reader.namespace) if last is None else last[1])
        if self._telling is None or self._telling.done():
            self._telling = self._context.background.spawn("pages", self._keep_telling())

    async def _keep_telling(self) -> None:
        try:
            while self._open:
                spent = await self._tell_all()
                await asyncio.sleep(max(self._context.times.page, spent / SHARE))
        finally:
            self._last.clear()
            if self._telling is asyncio.current_task():
                # Those that are left come again, should this have failed.
                self._telling = None
                self.finish()

    async def _tell_all(self) -> float:
        """Offer every page what has changed; the seconds of the loop that this took."""
        spent = 0.0
        loop = asyncio.get_running_loop()
        for namespace in {reader.namespace for reader in self._open}:
            begun = loop.time()
            before = self._last.get(namespace)
            event = self._event_for(namespace)
            if before is None or before[1] is not event:
                for reader in self._open:
                    if reader.namespace == namespace:
                        reader.offer(event)
            spent += loop.time() - begun
            await asyncio.sleep(0)
        return spent

    def _event_for(self, namespace: str | None) -> bytes:
        moment = moment_of(self._context)
        last = self._last.get(namespace)
        if last is not None and last[0] == moment:
            return last[1]
        event = encoded("snapshot", snapshot(self._context, namespace))
        self._last[namespace] = moment, event
        self.made += 1
        return event

    def _cut_off(self) -> None:
        """Drop the pages whose token is not in force any more as it was when they came."""
        assert self._register is not None
        for reader in list(self._open):
            if reader.known is not None and not self._register.holds(reader.known):
                reader.cut()

    def finish(self) -> None:
        """Let every page go; a page comes again by itself."""
        for reader in self._open:
            reader.finish()

    async def close(self) -> None:
        """The manager goes: nobody is told anything from now on."""
        self._closing = True
        self.finish()

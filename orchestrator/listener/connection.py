"""One client's HTTP connection, which knows whether it works or waits, and for how long."""

from __future__ import annotations

import asyncio
import fcntl
import sys
import termios
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, Protocol, cast

import structlog
from aiohttp import http_exceptions, web

from orchestrator.listener.turns import ParsingTurns

log = structlog.get_logger(__name__)

PROBED = frozenset({"/healthz", "/readyz", "/metrics"})
ALL_TAKEN = "all connections that there may be are at work (GENVM_MAX_CONNECTIONS): try again later"
DEFECT = "internal error of the manager, see its log"
NO_HTTP = "it is not HTTP as it is accepted here"
UNREADABLE: tuple[tuple[type[Exception], str], ...] = (
    (http_exceptions.LineTooLong, "a line of its head is too long"),
    (http_exceptions.InvalidHeader, "one of its headers is broken"),
    (http_exceptions.BadStatusLine, "its first line is broken"),
    (http_exceptions.InvalidURLError, "its target is not a URL"),
    (http_exceptions.PayloadEncodingError, "its body is not sent as its headers say"),
)


class Watcher(Protocol):
    """Who counts connections."""

    def opened(self, connection: HttpConnection) -> None: ...

    def changed(self, connection: HttpConnection) -> None:
        """It begins to work, or to wait."""

    def closed(self, connection: HttpConnection) -> None: ...


class HttpConnection(web.RequestHandler):
    """aiohttp's own closes connections that wait too long only once, a while after they began to wait.

    `for_probes`: it has none of the places that all have, and is told nothing but how the manager is.
    `met`: there is, or was, a client. `waits_since`: since when no request has been at work, in the loop's
    time; None while one is.
    `look_first`: what comes before the parser of what the connection is upgraded to.
    `head_since`: since when a request's head has been arriving, None when none is.
    `untaken_since`: since when nothing was taken of what is there for the client, an answer or frames, as far
    as was looked.

    The library ends nobody who waits: whom it has closed, but who does not take what was left for it, it lets
    go of, and nobody could end that connection any more.

    What has come is parsed within the turns of `turns`. What a turn has no time for waits here, and no more
    is read meanwhile: it is never more than one read brings.
    """

    __slots__ = (
        "_asked",
        "_begins",
        "_came",
        "_carrier",
        "_has_begun",
        "_leaves_rest",
        "_left",
        "_turns",
        "_was_paused",
        "_watcher",
        "for_probes",
        "head_since",
        "look_first",
        "met",
        "untaken_since",
        "waits_since",
    )

    def __init__(
        self, server: web.Server, watcher: Watcher, turns: ParsingTurns, idle_timeout: float
    ) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(
            server,
            loop=loop,
            access_log=None,  # type: ignore[arg-type] # as the runner passes it on
            keepalive_timeout=idle_timeout,
            lingering_time=2.0,
            # A body is taken as it comes, or not at all.
            auto_decompress=False,
        )
        self._watcher = watcher
        self._turns = turns
        # What waits to be parsed begins there.
        self._came, self._begins = b"", 0
        self._leaves_rest = False
        self._was_paused = False
        self._asked = False
        self._has_begun = False
        self._carrier: asyncio.Transport | None = None
        # Bytes of answers that the client had not taken when somebody looked last.
        self._left = 0
        self.untaken_since: float | None = None
        self.for_probes = False
        self.met = False
        self.look_first: Callable[[Any], Any] | None = None
        self.waits_since: float | None = loop.time()
        self.head_since: float | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._carrier = cast("asyncio.Transport", transport)
        self.met = True
        self._watcher.opened(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._came = b""
        self._carrier = None
        super().connection_lost(exc)
        self._watcher.closed(self)

    def set_parser(self, parser: Any, data_received_cb: Callable[[], None] | None = None) -> None:
        super().set_parser(parser if self.look_first is None else self.look_first(parser), data_received_cb)

    def data_received(self, data: bytes) -> None:
        if self._leaves_rest:
            return
        # While it does not wait for a request, an answer is still being taken, or a body that nobody wants.
        # But the first may be here before the library begins to wait for it.
        waits = self._waiter is not None or not self._has_begun
        if waits and self.waits_since is not None and self.head_since is None:
            self.head_since = self._loop.time()
        turns = self._turns
        turns.untimed -= len(data)
        if (turns.untimed < 0 or self._came or self._upgraded) and data and not self._is_straight:
            self._take(data)
            return
        super().data_received(data)
        # The library takes a request from there a turn before its handler begins.
        self._asked = self._asked or bool(self._messages)

    @property
    def _is_straight(self) -> bool:
        """Whether what comes next may be parsed without the clock."""
        return self._turns.untimed >= 0 and not self._came and not self._awaits_upgrade

    def _take(self, data: bytes) -> None:
        self._came, self._begins = self._came[self._begins :] + data, 0
        self._turns.feed(self)
        if self._came:
            self._pause_transport_reading()

    def _parse(self, data: bytes) -> None:
        super().data_received(data)
        self._asked = self._asked or bool(self._messages)

    @property
    def behind(self) -> int:
        """Bytes that have come and wait to be parsed."""
        return len(self._came) - self._begins if self._came else 0

    def feed_slice(self, size: int) -> bool:
        """Parse so many of those that wait; whether more can be parsed now."""
        if self._came and self._awaits_upgrade:
            # The library would collect them, and parse them in one go: it says when that is decided.
            self._pause_reading_for_buffer()
        if not self._came or self._reading_paused or self._buffer_paused:
            return False
        ends = self._begins + size
        data = self._came[self._begins : ends]
        if ends < len(self._came):
            self._begins = ends
        else:
            self._came = b""
        self._parse(data)
        if not self._came and not (self._reading_paused or self._buffer_paused):
            self._resume_transport_reading()
        return self.behind > 0

    @property
    def _awaits_upgrade(self) -> bool:
        return self._upgraded and self._payload_parser is None

    @property
    def waits_to_be_parsed(self) -> bool:
        """Whether it waits for the manager, and not for its client to take what was answered."""
        return self.behind > 0 and not (self._reading_paused or self._buffer_paused)

    def pause_reading(self) -> None:
        self._was_paused = True
        super().pause_reading()

    def resume_reading(self, resume_parser: bool = True) -> None:
        # Told after each chunk that is read, the library would look for something to parse each time. Of one
        # that was paused its parser may have to be told, whatever became of the transport since.
        if self._reading_paused or self._was_paused:
            super().resume_reading(resume_parser)

    def _resume_transport_reading(self) -> None:
        if self._came:
            self._turns.queue(self)
        else:
            super()._resume_transport_reading()

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        awaited = self._awaits_upgrade
        try:
            return await super().finish_response(request, resp, start_time)
        finally:
            if awaited and not self._upgraded and self._buffer_paused:
                # It was declined. The library goes on by itself only where it has collected something.
                self._resume_reading_if_drained()

    def _process_keepalive(self) -> None:
        """Whoever accepted it ends it: see above."""

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """What is no HTTP is its sender's mistake: answered as all mistakes are, without a traceback.

        Never in the parser's words, which repeat what was sent.
        """
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun already")
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            log.error("request_failed", status=status, exc_info=exc)
            text = DEFECT
        else:
            reason = next((words for kind, words in UNREADABLE if isinstance(exc, kind)), NO_HTTP)
            text = f"the request cannot be read: {reason}"
        response = web.json_response({"error": text}, status=status)
        response.force_close()
        return response

    def begin(self) -> None:
        """A request's head is here."""
        self._has_begun = True
        self.waits_since = self.head_since = None
        self._asked = False
        self._watcher.changed(self)

    def end(self) -> None:
        """The request is answered, but for what the client has not read yet."""
        self.waits_since = self._loop.time()
        self._asked = bool(self._messages)
        self._watcher.changed(self)

    def resume_writing(self) -> None:
        # Between two looks all may have been taken, and as much be there again.
        self._left = -1
        super().resume_writing()

    def look(self) -> None:
        """At what its client takes: who takes an answer is not idle."""
        left = 0 if self._carrier is None else self._carrier.get_write_buffer_size()
        if left and self._carrier is not None:
            # The kernel takes no more until its client has taken a good part of what it has.
            left += _asked_of(self._carrier.get_extra_info("socket"), termios.TIOCOUTQ)
        if left != self._left:
            self._left = left
            self.untaken_since = self._loop.time() if left else None
            if self.waits_since is not None:
                self.waits_since = self._loop.time()

    @property
    def has_spoken(self) -> bool:
        """Whether it waits for the manager: a request is here that nobody has begun, or is being answered."""
        if self._asked or self._request_in_progress or self._came:
            return True
        transport = self.transport
        return transport is not None and _asked_of(transport.get_extra_info("socket"), termios.FIONREAD) > 0

    @property
    def leaves_rest(self) -> bool:
        return self._leaves_rest

    def leave_rest(self) -> None:
        """Whatever else comes is thrown away: the answer ends the connection, and nobody wants the body."""
        self._leaves_rest = True
        if self._came:
            self._came = b""
            if not (self._reading_paused or self._buffer_paused):
                self._resume_transport_reading()

    def drop(self) -> None:
        """Close at once, whatever has not been read, and whoever was to close it before."""
        if self._carrier is not None:
            self._carrier.abort()


def _asked_of(connected: Any, what: int) -> int:
    """Bytes that have come and were not taken, or were sent and not taken (ioctl_tty(2), tcp(7), unix(7))."""
    if connected is None:
        return 0
    try:
        found = fcntl.ioctl(connected.fileno(), what, b"\0\0\0\0")
    except OSError:
        return 0
    return int.from_bytes(found, sys.byteorder)


RequestHandler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


def noting(handler: RequestHandler) -> RequestHandler:
    """`handler`, with its connection told of the beginning and the end of each request."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        connection = request.protocol
        assert isinstance(connection, HttpConnection)
        connection.begin()
        try:
            refused = connection.for_probes and request.path not in PROBED
            response = _all_taken() if refused else await handler(request)
            if not response.prepared:
                if connection.for_probes:
                    response.force_close()
                if _has_rest_in_chunks(request):
                    connection.leave_rest()
                if connection.leaves_rest:
                    response.force_close()
            return response
        finally:
            connection.end()

    return handle


def _all_taken() -> web.Response:
    return web.json_response({"error": ALL_TAKEN}, status=503, headers={"Retry-After": "2"})


def _has_rest_in_chunks(request: web.BaseRequest) -> bool:
    """Whether it is answered before its body was read, whose end is only found by parsing it."""
    return not request.content.is_eof() and request.content_length is None

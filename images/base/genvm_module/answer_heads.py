"""A client that keeps an answer which came whole, whatever its server says beside it or behind it.

aiohttp parses what arrives in one go: bytes behind the end of an answer cost the answer itself, if they came
in the same packet, so that two nodes see different things; and a head that tells twice of where its body ends
costs it always. Here a head is parsed alone, as other clients understand it, what comes behind the answer is
nobody's, and a body that breaks is told to whoever reads it.
"""

from __future__ import annotations

import asyncio
import re
from functools import partial
from typing import Any, TypeVar

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.helpers import set_exception
from aiohttp.http_exceptions import HttpProcessingError

LONGEST_HEAD = 256 * 1024
"""Bytes, as in browsers."""
MOST_INTERIM = 100
"""Answers before the answer: each costs as much as one, and a server could go on with them for ever."""
_BEGINNING = b"HTTP/"
_END = re.compile(rb"\n\r?\n")
_LENGTH = re.compile(rb"(?im)^content-length[ \t]*:([^\r\n]*)\r?\n")
_CHUNKED = re.compile(rb"(?im)^transfer-encoding[ \t]*:[^\r\n]*\bchunked[ \t]*\r?\n")

Connector = TypeVar("Connector", bound=aiohttp.BaseConnector)


def keeping_answers(connector: Connector) -> Connector:
    """`connector`, whose connections do so from now on."""
    handler: type[ResponseHandler] = _Keeping
    connector._factory = partial(handler, loop=connector._loop)
    return connector


def mended(head: bytes) -> bytes:
    """With one word on where the body ends: chunks before a length, and a length that is told again once."""
    lengths = {value.strip() for told in _LENGTH.findall(head) for value in told.split(b",")}
    chunked = _CHUNKED.search(head) is not None
    if not lengths or (len(lengths) > 1 and not chunked):
        return head
    first, rest = head.split(b"\n", 1)
    told = b"" if chunked else b"Content-Length: " + lengths.pop() + b"\r\n"
    return first + b"\n" + told + _LENGTH.sub(b"", rest)


class _Keeping(ResponseHandler):
    """One connection. `_final`: the head of an answer has been parsed that is not an interim one's."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._final = False
        self._head = b""
        self._searched = 0
        self._interim = 0

    def set_response_params(self, **params: Any) -> None:
        """A request is about to be sent."""
        self._final, self._head, self._searched, self._interim = False, b"", 0, 0
        super().set_response_params(**params)

    def feed_data(self, data: Any, size: int = 0) -> None:
        """A head was parsed."""
        self._final = data[0].code >= 200
        super().feed_data(data, size)

    def data_received(self, data: bytes) -> None:
        if data and self._final and self._parser is None:
            # Behind an answer that was whole: what it is the beginning of is no answer to the next request.
            if self.transport is not None:
                self.transport.close()
            return
        if not data or self._parser is None or self._final:
            self._parse(data)
            return
        self._head = (self._head + data).lstrip(b"\r\n")
        while not self._final and self._head and (end := self._end_of_head()):
            head, self._head, self._searched = self._head[:end], self._head[end:], 0
            self._parse(mended(head))
            if self.exception() is not None:
                return
            self._interim += not self._final
            if self._interim > MOST_INTERIM:
                self._refuse(f"more than {MOST_INTERIM} interim answers")
                return
        if not self._final and len(self._head) > LONGEST_HEAD:
            self._refuse(f"the head is longer than {LONGEST_HEAD} bytes")
        if self._final and self._head:
            body, self._head = self._head, b""
            self._parse(body)

    def _end_of_head(self) -> int:
        """0 while there is none. Of what is no head the parser says what it is."""
        head = self._head
        if not _BEGINNING.startswith(head[: len(_BEGINNING)]):
            return len(head)
        end = _END.search(head, max(0, self._searched - 2), LONGEST_HEAD)
        self._searched = len(head)
        return 0 if end is None else end.end()

    def _refuse(self, reason: str) -> None:
        """As what cannot be parsed."""
        self._head = b""
        if self.transport is not None:
            self.transport.close()
        self.set_exception(HttpProcessingError(code=400, message=reason))

    def _parse(self, data: bytes) -> None:
        super().data_received(data)
        if not self._final or self._payload is None:
            return
        if self._payload.is_eof():
            # What is behind the answer is not looked at; where something is, the connection serves no other.
            self._parser = None
        elif (broken := self.exception()) is not None:
            # aiohttp tells it only to whoever waits for a head; a read would wait for ever.
            reason = f"the body is broken: {type(broken).__name__}"
            set_exception(self._payload, aiohttp.ClientPayloadError(reason), broken)

"""A large body that many ask for, as gzip for who takes it: made once, aside from the loop.

Only what is asked for again is squeezed: to look at what changes from look to look costs what it did.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from aiohttp import hdrs

from orchestrator.aside import aside

LARGE = 64 * 1024
"""Bytes from which on a shorter answer is worth its making."""
LEVEL = 1
"""The fastest: slower ones take three times as long for a tenth less."""

Spawn = Callable[[str, Coroutine[Any, Any, None]], object]


def takes_gzip(accepted: str) -> bool:
    """Whether a client that sent this as `Accept-Encoding` names gzip, and not to have none of it."""
    for part in accepted.split(","):
        coding, *parameters = (text.strip().lower() for text in part.split(";"))
        if coding in ("gzip", "x-gzip"):
            return not any(_nought(parameter) for parameter in parameters)
    return False


def _nought(parameter: str) -> bool:
    name, _, weight = parameter.partition("=")
    return name.strip() == "q" and not weight.strip().strip("0").strip(".").strip("0")


class Squeezed:
    """The gzip of the body that was asked for last."""

    def __init__(self, spawn: Spawn) -> None:
        self._spawn = spawn
        self._of = b""
        self._begun = False
        self._made: bytes | None = None

    def answer(self, body: bytes, accepted: str) -> tuple[bytes, dict[str, str]]:
        """What to send a client with this `Accept-Encoding` for `body`, and its headers."""
        if len(body) < LARGE:
            return body, {}
        headers: dict[str, str] = {hdrs.VARY: hdrs.ACCEPT_ENCODING}
        made = self._newest(body) if takes_gzip(accepted) else None
        if made is None:
            return body, headers
        return made, {**headers, hdrs.CONTENT_ENCODING: "gzip"}

    def _newest(self, body: bytes) -> bytes | None:
        if body is not self._of:
            self._of, self._begun, self._made = body, False, None
        elif not self._begun:
            self._begun = True
            self._spawn("squeeze", self._make(body))
        return self._made

    async def _make(self, body: bytes) -> None:
        made = await aside(len(body), partial(gzip.compress, body, LEVEL, mtime=0))
        if self._of is body:
            self._made = made

"""The port that managers dial: few at a time may be unproved, and none for long."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress

from genvm_connector.identity import Identity
from genvm_connector.link import KeyOf, Link, Unproved, accepted, hear
from genvm_connector.program import accepted as knocked
from genvm_wire.frames import FrameError
from genvm_wire.hello import Purpose

PROOF_S = 2.0
"""From the moment at which a connection is accepted, handshake included."""
MOST_UNPROVED = 3
BACKLOG = 16
PAUSE_S = 0.1
"""After an accept that failed: mostly for want of descriptors."""

Met = Callable[[Purpose, "int | None", Link], Awaitable[None]]


class Door:
    """`met` takes over who has proved itself, within `proof` seconds."""

    def __init__(
        self, listener: socket.socket, identity: Identity, key_of: KeyOf, met: Met, proof: float = PROOF_S
    ) -> None:
        self._listener = listener
        self._identity = identity
        self._key_of = key_of
        self._met = met
        self._proof = proof
        self._unproved = 0

    async def run(self) -> None:
        """Accept for ever."""
        async with asyncio.TaskGroup() as group:
            while True:
                try:
                    sock = await knocked(self._listener)
                except OSError:
                    await asyncio.sleep(PAUSE_S)
                    continue
                if self._unproved >= MOST_UNPROVED:
                    sock.close()
                    continue
                self._unproved += 1
                group.create_task(self._greet(sock))

    async def _greet(self, sock: socket.socket) -> None:
        link: Link | None = None
        try:
            async with asyncio.timeout(self._proof):
                link = await accepted(sock, self._identity.tls)
                purpose, number = await hear(link, self._identity, self._key_of)
        except (OSError, EOFError, FrameError, TimeoutError, Unproved, ValueError):
            _close(link, sock)
            return
        except BaseException:
            _close(link, sock)
            raise
        finally:
            self._unproved -= 1
        await self._met(purpose, number, link)


def _close(link: Link | None, sock: socket.socket) -> None:
    if link is not None:
        link.close()
        return
    with suppress(OSError):
        sock.close()


def listening(port: int) -> socket.socket:
    """On every address of the Pod. Raises OSError."""
    try:
        listener = socket.create_server(
            ("", port), family=socket.AF_INET6, backlog=BACKLOG, dualstack_ipv6=True
        )
    except (OSError, ValueError):  # a node without the newer family
        listener = socket.create_server(("", port), backlog=BACKLOG)
    listener.setblocking(False)
    return listener

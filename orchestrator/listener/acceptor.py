"""Accepts clients' connections: no more than there may be, a few at a time, and watches those that wait.

What is not accepted waits in the kernel's queue. A place is made by ending the connection that has waited
longest for a request, if any does: who is at work is never cut off for somebody else.
"""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass, replace

import structlog
from aiohttp import web

from orchestrator import descriptors
from orchestrator.listener.connection import HttpConnection, noting
from orchestrator.listener.turns import ParsingTurns
from orchestrator.tasks import TaskOwner

log = structlog.get_logger(__name__)

MOST_CONNECTIONS = 4096
OPERATORS = 32
"""Places on the operator socket, which clients elsewhere take none of."""
PROBES = 16
"""Places beyond all others, in which nothing but a probe is answered, one request each."""
PROBES_AFTER = 5.0
"""Seconds that all others have been at work: a moment's rush waits its turn, and nobody of it is refused."""
BACKLOG = 4096
"""Clients that come at once are taken when the loop gets to them; beyond it the kernel turns them away."""
PER_TURN = 64
"""Connections taken before everybody else gets a turn."""
LOOK_EVERY = 1.0
"""Seconds between looks at those that wait."""
RETRY_AFTER = 0.2
"""Seconds until accepting is tried again that nothing else sets going."""
AT_ONCE = 0.001
"""Seconds, but in another turn of the loop: uvloop forgets a reader that is removed and added in one."""


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Times in seconds: for a request's head once it has begun, and without any request.

    `heeds_runs`: nobody gets one of the last descriptors, which belong to the runs.
    """

    most: int
    head: float = 10.0
    idle: float = 75.0
    heeds_runs: bool = True

    def of_operators(self) -> ConnectionLimits:
        """The same for those who look when all others' places are taken."""
        return replace(self, most=OPERATORS, heeds_runs=False)


def connections_for(wanted: int | None) -> int:
    """How many clients there may be: what is wanted, as far as the descriptors go."""
    possible = max(
        1, descriptors.limit() - descriptors.reserve() - descriptors.FOR_A_RUN - OPERATORS - PROBES
    )
    return min(wanted or MOST_CONNECTIONS, possible)


class Acceptor:
    """Takes connections for `server`. `turns`: those of another one for the same server."""

    def __init__(
        self, server: web.Server, limits: ConnectionLimits, turns: ParsingTurns | None = None
    ) -> None:
        self._server = server
        self._listeners: list[socket.socket] = []
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._turns = turns or ParsingTurns(self._loop)
        self._tasks = TaskOwner("accept")
        self._coming = 0
        self._for_probes = 0
        """How many of those that come or are open are for probes."""
        self._open: set[HttpConnection] = set()
        # In the order in which they began to wait.
        self._waiting: dict[HttpConnection, None] = {}
        self._accepting = False
        self._closed = False
        self._full_since: float | None = None
        self._retry: asyncio.TimerHandle | None = None
        if turns is None:
            server.request_handler = noting(server.request_handler)
        self._resume()
        self._look = self._loop.call_later(LOOK_EVERY, self._look_around)

    def beside(self, limits: ConnectionLimits) -> Acceptor:
        """Another one for the same server, with places of its own. It is the caller's to close."""
        return Acceptor(self._server, limits, self._turns)

    def listen(self, bound: socket.socket) -> None:
        """Accept on a bound socket that does not block, and close it at the end. Raises OSError."""
        bound.listen(BACKLOG)
        self._listeners.append(bound)
        if self._accepting:
            self._loop.add_reader(bound, self._accept, bound)

    def forget(self, listener: socket.socket) -> None:
        """Accept on it no more, and leave it to its owner."""
        if listener in self._listeners:
            self._listeners.remove(listener)
            self._loop.remove_reader(listener)

    @property
    def ports(self) -> set[int]:
        """The TCP ports that are listened on."""
        internet = (socket.AF_INET, socket.AF_INET6)
        return {one.getsockname()[1] for one in self._listeners if one.family in internet}

    @property
    def connections(self) -> int:
        return len(self._open) + self._coming

    async def aclose(self) -> None:
        """Accept no more; what is connected goes on."""
        self._closed = True
        self._pause()
        self._look.cancel()
        if self._retry is not None:
            self._retry.cancel()
        for listener in self._listeners:
            listener.close()
        await self._tasks.aclose()

    def opened(self, connection: HttpConnection) -> None:
        self._coming -= 1
        self._open.add(connection)
        self._waiting[connection] = None

    def changed(self, connection: HttpConnection) -> None:
        self._waiting.pop(connection, None)
        if connection.waits_since is not None and connection in self._open:
            self._waiting[connection] = None

    def closed(self, connection: HttpConnection) -> None:
        self._open.discard(connection)
        self._waiting.pop(connection, None)
        self._for_probes -= connection.for_probes
        if not self._accepting:
            self._retry_in(AT_ONCE)

    def _resume(self) -> None:
        if self._accepting or self._closed or self._retry is not None:
            return
        if self._is_full and self._droppable() is None and not self._lets_probes_in:
            self._retry_in(RETRY_AFTER)
            return
        self._accepting = True
        for listener in self._listeners:
            self._loop.add_reader(listener, self._accept, listener)

    def _pause(self) -> None:
        if self._accepting:
            self._accepting = False
            for listener in self._listeners:
                self._loop.remove_reader(listener)

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(PER_TURN):
            full = self._is_full
            refused = full and not (self._lets_probes_in and self._droppable() is None)
            if refused or (self._limits.heeds_runs and descriptors_scarce()):
                self._make_room()
                return
            try:
                client, _ = listener.accept()
            except BlockingIOError:
                if not full:
                    self._full_since = None
                return
            except OSError as error:
                if descriptors.used_up(error):
                    self._make_room()
                return
            self._coming += 1
            self._for_probes += full
            self._tasks.spawn("connection", self._connect(client, for_probes=full))

    @property
    def _is_full(self) -> bool:
        return self.connections - self._for_probes >= self._limits.most

    @property
    def _lets_probes_in(self) -> bool:
        """Whether one who may be a probe is let in, all others' places being taken for a while."""
        return (
            self._full_since is not None
            and self._loop.time() - self._full_since >= PROBES_AFTER
            and self._for_probes < PROBES
        )

    async def _connect(self, client: socket.socket, *, for_probes: bool) -> None:
        connection = HttpConnection(self._server, self, self._turns, self._limits.idle)
        connection.for_probes = for_probes
        try:
            client.setblocking(False)
            await self._loop.connect_accepted_socket(lambda: connection, client)
        except OSError:
            client.close()  # gone already
        except BaseException:
            client.close()
            raise
        finally:
            if not connection.met:
                self._coming -= 1
                self._for_probes -= for_probes

    def _make_room(self) -> None:
        """Pause until a connection ends, and end the one that has waited longest for its client.

        Whoever has said something waits for the manager, which did not get to it yet.
        """
        self._pause()
        self._retry_in(RETRY_AFTER)
        longest = self._droppable()
        frees_none = longest is None or longest.for_probes
        if frees_none and self._is_full and self._full_since is None:
            self._full_since = self._loop.time()
        if longest is not None:
            log.debug("connection_ended_for_another", connections=self.connections)
            longest.drop()

    def _droppable(self) -> HttpConnection | None:
        """Who has waited longest for its client. What may be a probe has its place while there are others."""
        too_many = self._for_probes >= PROBES
        silent = (one for one in self._waiting if not one.has_spoken)
        return next((one for one in silent if too_many or not one.for_probes), None)

    def _retry_in(self, seconds: float) -> None:
        if self._retry is not None:
            self._retry.cancel()
        self._retry = None if self._closed else self._loop.call_later(seconds, self._try_again)

    def _try_again(self) -> None:
        self._retry = None
        self._resume()

    def _look_around(self) -> None:
        now = self._loop.time()
        if not self._is_full:
            self._full_since = None
        for connection in list(self._open):
            connection.look()
            if connection.waits_to_be_parsed:
                continue
            waits = (connection.waits_since, connection.untaken_since)
            if _overdue(connection.head_since, now, self._limits.head) or any(
                _overdue(since, now, self._limits.idle) for since in waits
            ):
                connection.drop()
        self._resume()
        self._look = self._loop.call_later(LOOK_EVERY, self._look_around)


def _overdue(since: float | None, now: float, seconds: float) -> bool:
    return since is not None and now - since > seconds


def descriptors_scarce() -> bool:
    """Whether what is left is the runs'."""
    return descriptors.left() < descriptors.reserve()

"""From a run's lines to what its Pod's connector is told: what it dials itself, what is relayed to it.

*Direct*: the connector dials, and the run needs no manager from then on. *Relayed*: this manager dials, and
passes the bytes on for as long as it lives.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address

from genvm_wire.hello import Purpose
from genvm_wire.orders import Direct, Relayed, ThroughConnector, Way
from orchestrator.runtime.kubernetes.relaying import relay
from orchestrator.runtime.kubernetes.stream_control import StreamControl
from orchestrator.runtime.port import Line, Places
from orchestrator.runtime.port import Way as RunWay
from orchestrator.tasks import TaskOwner

Networks = tuple[IPv4Network | IPv6Network, ...]
Call = Callable[[Purpose, "int | None"], Awaitable[StreamControl]]
"""One more proved connection to an instance's connector."""

LONGEST_HELLO = 64 * 1024
"""Bytes for a node that an order can carry; longer ones are said by the manager."""
RELAY_WAIT_MS = 5000
"""For a relay's other end, which is here before the order."""


class SessionLine:
    """A way into a module: through its connector, where `number` and `ticket` are good for one connection."""

    def __init__(
        self, address: tuple[str, int], number: int, ticket: str, call: Call, tasks: TaskOwner
    ) -> None:
        self.way = ThroughConnector(address, number, ticket)
        self._call = call
        self._tasks = tasks

    async def connect(self) -> socket.socket:
        """For whoever cannot have a connector dial. Raises ChannelClosed."""
        far = await self._call(Purpose.SESSION, self.way.number)
        near, ours = socket.socketpair()
        self._tasks.spawn("session", relay(near, far))
        return ours

    async def places(self) -> Places | None:
        """None: who dials there needs the ticket."""
        return None

    def close(self) -> None:
        """The number is forgotten after a while."""


@dataclass(slots=True)
class Ways:
    """How a run's lines are used. `direct`: networks that the Pods themselves may dial."""

    direct: Networks
    call: Call
    tasks: TaskOwner
    way: RunWay = RunWay.DIRECT
    made: list[tuple[str, Way]] = field(default_factory=list)

    async def add(self, name: str, line: Line) -> None:
        """Raises what the line raises, ChannelClosed."""
        self.made.append((name, await self._way(name, line)))

    async def _way(self, name: str, line: Line) -> Way:
        if isinstance(line, SessionLine):
            return line.way
        places = await line.places() if self.direct else None
        if places is not None and (reached := self._reached(places)) is not None:
            return reached
        self.way = RunWay.RELAY
        return await self._relayed(name, line)

    def _reached(self, places: Places) -> Direct | None:
        inside = tuple(
            (host, port)
            for host, port in places.addresses
            if any(ip_address(host) in network for network in self.direct)
        )
        if not inside or len(places.hello) > LONGEST_HELLO:
            return None
        return Direct(inside, max(1, int(places.seconds * 1000)), places.hello)

    async def _relayed(self, name: str, line: Line) -> Relayed:
        number = secrets.randbits(62)
        calling = asyncio.ensure_future(self.call(Purpose.RELAY, number))
        try:
            near = await line.connect()
        except BaseException:
            calling.cancel()
            await asyncio.wait([calling])
            if not calling.cancelled() and calling.exception() is None:
                calling.result().close()
            raise
        try:
            far = await calling
        except BaseException:
            near.close()
            raise
        self.tasks.spawn(f"relay-{name}", relay(near, far))
        return Relayed(number, RELAY_WAIT_MS)

"""Connections that are expected under a number: who relays for a run, who comes for a session in a module."""

from __future__ import annotations

import asyncio

from genvm_connector.link import Link

WAIT_S = 60.0
"""For a session's guest: its run's instance is there already, and only then it is told of the number."""


class Guests:
    """Each number is for one guest."""

    def __init__(self) -> None:
        self._tickets: dict[int, str] = {}
        self._arrivals: dict[int, asyncio.Future[Link]] = {}

    def expect(self, number: int, ticket: str) -> None:
        """Somebody will come who proves it with `ticket`."""
        self._tickets[number] = ticket

    def ticket(self, number: int | None) -> str | None:
        return None if number is None else self._tickets.get(number)

    def arrived(self, number: int | None, link: Link) -> None:
        """Takes the link over; one whose number is taken is closed."""
        arrival = None if number is None else self._arrival(number)
        if arrival is None or arrival.done():
            link.close()
        else:
            arrival.set_result(link)

    async def guest(self, number: int, seconds: float) -> Link:
        """The one under `number`, the caller's from here on. Raises TimeoutError."""
        arrival = self._arrival(number)
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.shield(arrival)
        finally:
            self._tickets.pop(number, None)
            self._arrivals.pop(number, None)

    def _arrival(self, number: int) -> asyncio.Future[Link]:
        if number not in self._arrivals:
            self._arrivals[number] = asyncio.get_running_loop().create_future()
        return self._arrivals[number]

"""Requests on the manager socket about another manager's runs: their frames pass through, both ways.

One connection to each such manager, made when it is first needed. When one breaks, the client's own ends:
it connects and attaches again, as it does when a manager was replaced.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

import aiohttp

from orchestrator.api.members.passing import Message, Passing
from orchestrator.api.socket import frames, payloads
from orchestrator.api.socket.frames import Method, Request
from orchestrator.api.socket.outgoing import Outgoing
from orchestrator.store.members import Member
from orchestrator.tasks import TaskOwner


class Away(Exception):
    """The manager that has the run cannot be reached; the text says so."""


class Link:
    """A connection to one other manager; `boot_id` is what it calls itself."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, boot_id: int) -> None:
        self.socket = socket
        self.boot_id = boot_id


class Relay:
    """Of one client's connection, which was opened with `opened` by who `sees` one namespace (null: all) and
    has `boot_id`. `broken` once a manager that has been asked is gone."""

    def __init__(
        self, passing: Passing, opened: Message, sees: str | None, boot_id: int, outgoing: Outgoing
    ) -> None:
        self._passing = passing
        self._opened = opened
        self._sees = sees
        self._boot_id = boot_id
        self._outgoing = outgoing
        self._links: dict[str, Link] = {}
        self._tasks = TaskOwner("relay")
        self._connecting = asyncio.Lock()
        self.broken = False

    async def passed(self, run_id: int, request: Request) -> bool:
        """Whether another manager has the run, and has been given the request. Raises Away, StoreFailure."""
        owner = await self._passing.member.owner_of(run_id, self._sees)
        if owner is None:
            return False
        try:
            async with self._connecting:
                link = self._links.get(owner.id) or await self._connected(owner)
            await link.socket.send_bytes(self._as_it_knows(request, link))
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise Away("the manager that has this run does not answer: try again") from error
        return True

    def _as_it_knows(self, request: Request, link: Link) -> bytes:
        """A client that attaches says who has greeted it: this manager; the other has an id of its own."""
        message = frames.raw(request)
        if request.method is not Method.ATTACH:
            return message
        asked = payloads.attach(frames.decoded(request.payload))
        if asked.boot_id != self._boot_id:
            return message
        return frames.frame(
            Method.ATTACH,
            request.request_id,
            {"attach": {"boot_id": link.boot_id, "genvm_id": asked.genvm_id}},
        )

    async def _connected(self, owner: Member) -> Link:
        socket = await self._passing.socket(owner, replace(self._opened, target="/ws"))
        try:
            boot_id = frames.boot_id_of(await socket.receive_bytes())
        except BaseException:
            await socket.close()
            raise
        link = self._links[owner.id] = Link(socket, boot_id)
        self._tasks.spawn(f"from-{owner.id}", self._bring_back(owner.id, link))
        return link

    async def _bring_back(self, owner: str, link: Link) -> None:
        """Answers and events; what it sends is as large as what this manager would."""
        async for message in link.socket:
            if message.type is not aiohttp.WSMsgType.BINARY:
                break
            await self._outgoing.room_for_reply()
            self._outgoing.put_reply(message.data)
        del self._links[owner]
        self.broken = True
        self._outgoing.close()

    async def aclose(self) -> None:
        await self._tasks.aclose()
        for link in list(self._links.values()):
            await link.socket.close()

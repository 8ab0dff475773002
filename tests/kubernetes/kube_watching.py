"""Watches: what a client that asks from a version is told, how they end, and how they break."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from aiohttp import web

from tests.kubernetes.kube_faults import Faults
from tests.kubernetes.kube_reading import garbage, selected
from tests.kubernetes.kube_selectors import Match
from tests.kubernetes.kube_statuses import Refusal, invalid_options, too_old
from tests.kubernetes.kube_store import Change, Store

Json = dict[str, Any]


class Watch:
    """One open stream. Orders come from outside: `orders` are sent between two events."""

    def __init__(self, response: web.StreamResponse, kind: str) -> None:
        self.response = response
        self.kind = kind
        self.position = 0
        self.orders: list[str] = []


class Watching:
    def __init__(self, store: Store, faults: Faults) -> None:
        self.store = store
        self.faults = faults
        self.open: list[Watch] = []
        self.count = 0
        self.opened = asyncio.Event()

    def bookmark(self) -> None:
        """Send every watch a bookmark, as the server does about once a minute."""
        self._order("bookmark")

    def end(self) -> None:
        """End every watch in order, as the server does at the time that it was asked for."""
        self._order("bookmark", "end")

    def end_without_a_word(self) -> None:
        self._order("end")

    def cut(self) -> None:
        """Break every watch in the middle of a line."""
        self._order("cut")

    def expire(self) -> None:
        """Tell every watch that its version is too old by now."""
        self._order("expire")

    def garble(self) -> None:
        """Send every watch a line that is none."""
        self._order("garble")

    def _order(self, *orders: str) -> None:
        for watch in self.open:
            watch.orders += orders
        self.store.wake()

    async def until(self, count: int) -> None:
        """Return when so many watches have been opened since the start, and the last one is open."""
        while self.count < count:
            self.opened.clear()
            await self.opened.wait()

    async def serve(
        self, request: web.Request, resource: str, namespace: str, kind: str
    ) -> web.StreamResponse:
        query = request.query
        initial = query.get("sendInitialEvents") == "true"
        if initial and query.get("resourceVersionMatch") != "NotOlderThan":
            why = "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
            raise invalid_options("resourceVersionMatch", why)
        text = query.get("resourceVersion") or "0"
        if not text.isdigit():
            raise Refusal(500, garbage(text), None)
        matches = selected(query)
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        watch = Watch(response, kind)
        version = int(text)
        if version == 0:
            for value in self.store.all(resource, namespace):
                if matches(value):
                    await _send(watch, {"type": "ADDED", "object": value})
            version = self.store.version
            if initial and query.get("allowWatchBookmarks") == "true":
                await self._bookmark(watch, {"k8s.io/initial-events-end": "true"})
        elif version < self.store.oldest:
            await self._gone(watch, version)
            return response
        watch.position = version
        self.open.append(watch)
        self.count += 1
        self.opened.set()
        try:
            await self._follow(request, watch, resource, namespace, matches)
        except ConnectionError:
            pass  # who watched has gone
        finally:
            self.open.remove(watch)
        return response

    async def _follow(
        self, request: web.Request, watch: Watch, resource: str, namespace: str, matches: Match
    ) -> None:
        while True:
            changed = self.store.changed
            for change in self._news(watch, resource, namespace):
                if (event := told(change, matches)) is not None:
                    await _send(watch, event)
            while watch.orders:
                if await self._obey(request, watch, watch.orders.pop(0)):
                    return
            await changed.wait()

    def _news(self, watch: Watch, resource: str, namespace: str) -> list[Change]:
        if self.faults.silent_watches or watch.position > self.store.version:
            return []
        news = [change for change in self.store.log if change.version > watch.position]
        watch.position = self.store.version
        return [change for change in news if (change.resource, change.namespace) == (resource, namespace)]

    async def _obey(self, request: web.Request, watch: Watch, order: str) -> bool:
        """Whether that was the watch's end."""
        match order:
            case "bookmark" if not self.faults.silent_watches:
                await self._bookmark(watch, {})
            case "expire":
                await self._gone(watch, watch.position)
                return True
            case "garble":
                await watch.response.write(b"<html>\n")
            case "cut":
                await watch.response.write(b'{"type":"MODIFIED","object":{"kind":"Po')
                assert request.transport is not None
                request.transport.abort()
                return True
            case "end":
                return True
        return False

    async def _bookmark(self, watch: Watch, notes: Json) -> None:
        metadata: Json = {"resourceVersion": str(self.store.version)}
        if notes:
            metadata["annotations"] = notes
        about = {"kind": watch.kind, "apiVersion": "v1", "metadata": metadata}
        await _send(watch, {"type": "BOOKMARK", "object": about})

    async def _gone(self, watch: Watch, version: int) -> None:
        await _send(watch, {"type": "ERROR", "object": too_old(version, self.store.version).body()})


def told(change: Change, matches: Match) -> Json | None:
    """The event of a change for a selector: what leaves it is deleted, what enters is added."""
    before = change.before is not None and matches(change.before)
    after = change.after is not None and matches(change.after)
    match before, after:
        case True, True:
            return {"type": "MODIFIED", "object": change.after}
        case False, True:
            return {"type": "ADDED", "object": change.after}
        case True, False:
            last = dict(change.before or {})
            last["metadata"] = last["metadata"] | {"resourceVersion": str(change.version)}
            return {"type": "DELETED", "object": last}
        case _:
            return None


async def _send(watch: Watch, event: Json) -> None:
    """In two pieces: lines are cut wherever the network likes."""
    line = json.dumps(event).encode() + b"\n"
    middle = len(line) // 2
    await watch.response.write(line[:middle])
    await watch.response.write(line[middle:])

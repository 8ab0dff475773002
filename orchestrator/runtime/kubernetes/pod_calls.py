"""The calls of the port over HTTP: paths, queries and bodies of the API's version 1."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

from orchestrator.runtime.kubernetes.calls import Bookmark, Event, PodList, Removed, Seen
from orchestrator.runtime.kubernetes.failures import (
    ServerAnswer,
    Unreadable,
    expired_in_stream,
    failure_of,
    json_in,
)
from orchestrator.runtime.kubernetes.http import LONG, ApiServer, of_kind
from orchestrator.runtime.kubernetes.pods import Pod, pod_of

_PAGE = 500
_MERGE = "application/merge-patch+json"
_DONE = of_kind("Pod", "Status")
"""A change is done when one of these says so."""


class PodCalls:
    """Implements `calls.Calls` for the Pods of one namespace."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server
        self._pods = f"/api/v1/namespaces/{server.cluster.namespace}/pods"

    async def list_pods(self, selector: str) -> PodList:
        query = {"labelSelector": selector, "limit": str(_PAGE)}
        pods: list[Pod] = []
        while True:
            page = await self._server.send("GET", self._pods, _page, query=query, timeout=LONG)
            pods += page.pods
            if not page.onward:
                return PodList(tuple(pods), page.version)
            query = query | {"continue": page.onward}

    @asynccontextmanager
    async def watch_pods(
        self, selector: str, version: str, seconds: int
    ) -> AsyncIterator[AsyncIterator[Event]]:
        query = {
            "labelSelector": selector,
            "watch": "true",
            "resourceVersion": version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(seconds),
        }
        if not self._server.reachable:
            # The watch may say nothing for a minute, and a manager that is not ready gets no other call.
            await self._server.send("GET", self._pods, _page, query={"limit": "1"})
        async with self._server.lines(self._pods, query, event_of) as told:
            events = _known(told)
            async with aclosing(events):
                yield events

    async def get_pod(self, name: str) -> Pod:
        return await self._server.send("GET", f"{self._pods}/{name}", _pod)

    async def create_pod(self, manifest: Mapping[str, object]) -> Pod:
        strict = {"fieldValidation": "Strict"}
        return await self._server.send("POST", self._pods, _pod, query=strict, body=manifest)

    async def patch_pod(self, name: str, patch: Mapping[str, object]) -> None:
        await self._server.send("PATCH", f"{self._pods}/{name}", _DONE, body=patch, content_type=_MERGE)

    async def delete_pod(self, name: str, uid: str, grace: int) -> None:
        order = {"gracePeriodSeconds": grace, "preconditions": {"uid": uid}}
        await self._server.send("DELETE", f"{self._pods}/{name}", _DONE, body=order)

    async def pod_log(self, name: str, container: str, lines: int, limit: int) -> str:
        query = {"container": container, "tailLines": str(lines), "limitBytes": str(limit)}
        return await self._server.text(f"{self._pods}/{name}/log", query)


async def _known(events: AsyncIterator[Event | None]) -> AsyncGenerator[Event, None]:
    async for event in events:
        if event is not None:
            yield event


def event_of(line: bytes) -> Event | None:
    """One line of a watch; null for a kind that a later server may have.

    Raises what an ERROR event stands for (Expired mostly), Unreadable for a line that is no event.
    """
    try:
        said = json_in(line)
    except ValueError as error:
        raise Unreadable("the watch sent something that is not JSON") from error
    about = said.get("object") if isinstance(said, dict) else None
    if not (isinstance(said, dict) and isinstance(about, dict)):
        raise Unreadable("the watch sent something that is not an event")
    match said.get("type"):
        case "ADDED" | "MODIFIED":
            return Seen(_pod(about))
        case "DELETED":
            return Removed(_pod(about))
        case "BOOKMARK":
            return Bookmark(_metadata(about, "resourceVersion"))
        case "ERROR":
            code = about.get("code")
            status = 410 if expired_in_stream(about) else code if isinstance(code, int) else 500
            raise failure_of(ServerAnswer(status, json.dumps(about).encode()))
        case _:
            return None


def _pod(value: object) -> Pod:
    try:
        return pod_of(value if isinstance(value, dict) else {})
    except ValueError as error:
        raise Unreadable(f"the API server answered with {error}") from error


@dataclass(frozen=True, slots=True)
class _Page:
    pods: tuple[Pod, ...]
    version: str
    onward: str


def _page(answer: Mapping[str, object]) -> _Page:
    items, version = answer.get("items", ...), _metadata(answer, "resourceVersion")
    if not (version and (items is None or isinstance(items, list))):
        # Not a list without Pods: everything that runs would be taken for gone.
        raise Unreadable("the API server answered with something that is no list of Pods")
    return _Page(tuple(map(_pod, items or ())), version, _metadata(answer, "continue"))


def _metadata(value: Mapping[str, object], key: str) -> str:
    metadata = value.get("metadata")
    text = metadata.get(key) if isinstance(metadata, Mapping) else None
    return text if isinstance(text, str) else ""

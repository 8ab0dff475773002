"""What the API server of the suite keeps: objects, one counter of versions, and the changes of a while."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Container
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.kubernetes.kube_copies import copied

Json = dict[str, Any]
Key = tuple[str, str, str]
"""Resource, namespace, name."""


@dataclass(frozen=True)
class Change:
    version: int
    resource: str
    namespace: str
    before: Json | None
    after: Json | None


@dataclass
class Store:
    """Objects are copied in and out. Every change bumps the one version and wakes who watches."""

    version: int = 1000
    oldest: int = 0
    """Changes up to this version are forgotten: a watch cannot go on from before."""
    started: int = 0
    """When this server was started it was at this version; it remembers nothing from before."""
    now: datetime = datetime(2026, 11, 28, 10, 0, tzinfo=UTC)
    objects: dict[Key, Json] = field(default_factory=dict)
    log: list[Change] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def moment(self, seconds: float = 0) -> str:
        return (self.now + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")

    def get(self, resource: str, namespace: str, name: str) -> Json | None:
        return copied(self.objects.get((resource, namespace, name)))

    def names(self, resource: str, namespace: str, but: Container[str]) -> list[str]:
        """Of all objects whose uid is not one of `but`."""
        return [
            name
            for (kind, space, name), value in sorted(self.objects.items(), key=lambda item: item[0])
            if (kind, space) == (resource, namespace) and value["metadata"]["uid"] not in but
        ]

    def all(self, resource: str, namespace: str) -> list[Json]:
        return [
            copied(value)
            for (kind, space, _), value in sorted(self.objects.items())
            if (kind, space) == (resource, namespace)
        ]

    def add(self, resource: str, namespace: str, value: Json) -> Json:
        metadata = value["metadata"]
        metadata |= {"namespace": namespace, "uid": str(uuid.uuid4()), "creationTimestamp": self.moment()}
        return self._put(resource, namespace, None, value)

    def replace(self, resource: str, namespace: str, value: Json) -> Json:
        """Nothing happens, and the version stays, where nothing is different."""
        before = self.objects[(resource, namespace, value["metadata"]["name"])]
        value["metadata"]["resourceVersion"] = before["metadata"]["resourceVersion"]
        if value == before:
            return copied(before)
        return self._put(resource, namespace, before, value)

    def change(self, resource: str, namespace: str, name: str, edit: Callable[[Json], None]) -> Json:
        value = copied(self.objects[(resource, namespace, name)])
        edit(value)
        return self.replace(resource, namespace, value)

    def remove(self, resource: str, namespace: str, name: str, last: Json | None = None) -> Json:
        before = self.objects.pop((resource, namespace, name))
        gone = copied(last or before)
        self.version += 1
        gone["metadata"]["resourceVersion"] = str(self.version)
        self._note(Change(self.version, resource, namespace, gone, None))
        return copied(gone)

    def _put(self, resource: str, namespace: str, before: Json | None, value: Json) -> Json:
        self.version += 1
        value["metadata"]["resourceVersion"] = str(self.version)
        if resource == "pods" and before is not None and before.get("spec") != value.get("spec"):
            value["metadata"]["generation"] = before["metadata"].get("generation", 0) + 1
        kept = self.objects[(resource, namespace, value["metadata"]["name"])] = copied(value)
        self._note(Change(self.version, resource, namespace, before, kept))
        return copied(value)

    def _note(self, change: Change) -> None:
        self.log.append(change)
        self.wake()

    def wake(self) -> None:
        """Let everybody who watches look again."""
        changed, self.changed = self.changed, asyncio.Event()
        changed.set()

    def forget(self) -> None:
        """Drop all changes so far, as a busy cluster does after a minute or so."""
        self.log.clear()
        self.oldest = self.version

"""The calls that a runtime makes, and no more, so that what makes them is one file to replace."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from orchestrator.runtime.kubernetes.pods import Pod


@dataclass(frozen=True, slots=True)
class PodList:
    """What there was at `version`, which a watch may go on from."""

    pods: tuple[Pod, ...]
    version: str


@dataclass(frozen=True, slots=True)
class Seen:
    """A Pod as it is now."""

    pod: Pod


@dataclass(frozen=True, slots=True)
class Removed:
    """A Pod that is gone, with what it showed last."""

    pod: Pod


@dataclass(frozen=True, slots=True)
class Bookmark:
    """Nothing happened up to `version`."""

    version: str


Event = Seen | Removed | Bookmark


class Calls(Protocol):
    """Each raises what `failures` names; after EngineUnreachable it may have been done all the same."""

    async def list_pods(self, selector: str) -> PodList:
        """All Pods with these labels."""

    def watch_pods(
        self, selector: str, version: str, seconds: int
    ) -> AbstractAsyncContextManager[AsyncIterator[Event]]:
        """What happens after `version`, until the server ends it, after about so many seconds.

        Raises Expired where `version` is too old, EngineUnreachable when the stream breaks.
        """

    async def get_pod(self, name: str) -> Pod: ...

    async def create_pod(self, manifest: Mapping[str, object]) -> Pod:
        """As asked for, or not at all: a field that the server does not know is refused."""

    async def patch_pod(self, name: str, patch: Mapping[str, object]) -> None:
        """Merge. With `metadata.resourceVersion` in it: only if nobody changed the Pod since (Conflict)."""

    async def delete_pod(self, name: str, uid: str, grace: int) -> None:
        """SIGTERM now and SIGKILL after `grace` seconds; the object goes when it is dead, with 0 at once.

        Raises Conflict when the name is another Pod's by now, NotFound.
        """

    async def pod_log(self, name: str, container: str, lines: int, limit: int) -> str:
        """The last lines of a container's output, at most `limit` bytes."""

"""Creating a Pod once, whatever becomes of the answers (spec: Kubernetes, section 4).

Names are fixed, so that a repetition collides with its own Pod instead of making a second one; the label
`attempt` says whether it is its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from orchestrator.runtime.kubernetes.calls import Calls
from orchestrator.runtime.kubernetes.failures import (
    AlreadyExists,
    Conflict,
    NoRoom,
    NotFound,
    Throttled,
    Unauthorized,
    Unreadable,
    wait_after,
)
from orchestrator.runtime.kubernetes.pods import Pod
from orchestrator.runtime.kubernetes.room import ROOM_PAUSE_S, Say
from orchestrator.runtime.port import EngineRefused, EngineUnreachable

PAUSE_S = 0.3
TRIES = 4
"""In a row, with answers that may be others a moment later. For room the only bound is the caller's time."""

Pause = Callable[[float], Awaitable[None]]


@dataclass
class Creation:
    """One start's Pod `name`.

    `ours`: labels of this manager's Pods: one of an earlier start that is in the way is removed. `attempt`:
    the label, with its value, that only this start has.
    """

    calls: Calls
    manifest: Mapping[str, object]
    name: str
    ours: Mapping[str, str]
    attempt: tuple[str, str]
    on_no_room: Say = lambda why: None
    pause: Pause = asyncio.sleep
    in_doubt: bool = False
    """A *create* is under way or was never answered: the Pod may be there, or yet come."""

    async def pod(self) -> Pod:
        """The Pod, made by this start. Waits for room for as long as its caller does.

        Raises EngineRefused, EngineUnreachable; see `in_doubt` then.
        """
        left, unreadable, room = TRIES, 0, ""
        while True:
            try:
                return await self._made()
            except (NoRoom, Throttled) as full:
                # A busy server has not said that there is room: those in line would come at once, and all.
                room = str(full) if isinstance(full, NoRoom) else room
                self.on_no_room(room or str(full))
                left, unreadable, wait = TRIES, 0, wait_after(full, ROOM_PAUSE_S)
            except (EngineUnreachable, Conflict) as failure:
                left, wait = left - 1, wait_after(failure, PAUSE_S)
                unreadable = unreadable + 1 if isinstance(failure, Unreadable) else 0
                if unreadable == TRIES:
                    # It answers and will say the same again: nobody would learn why the run waits.
                    raise EngineRefused(str(failure)) from failure
                if not left:
                    raise
            await self.pause(wait)

    async def _made(self) -> Pod:
        try:
            return await self._asked_for()
        except AlreadyExists as taken:
            if (pod := await self._own(taken)) is not None:
                return pod
            raise EngineUnreachable(f"an earlier Pod {self.name} is in the way") from taken
        except EngineRefused:
            # The quota may be used up by this very Pod, and what forbids it may be younger than it is.
            if self.in_doubt and (pod := await self._found()) is not None and self._is_own(pod):
                return pod
            raise

    async def _asked_for(self) -> Pod:
        before, self.in_doubt = self.in_doubt, True
        try:
            return await self.calls.create_pod(self.manifest)
        except (EngineRefused, Throttled, Unauthorized):
            self.in_doubt = before
            raise

    async def _own(self, taken: AlreadyExists) -> Pod | None:
        """The Pod behind a name that is taken, if this start made it; null when the name may be free soon."""
        pod = await self._found()
        if pod is None or self._is_own(pod):
            return pod
        if not self.ours.items() <= pod.labels.items():
            raise EngineRefused(f"the Pod name {self.name} is taken by somebody else's") from taken
        if not pod.deleting:
            try:
                await self.calls.delete_pod(self.name, pod.uid, grace=1)
            except (NotFound, Conflict):
                return None
        return None

    async def _found(self) -> Pod | None:
        try:
            return await self.calls.get_pod(self.name)
        except NotFound:
            return None

    def _is_own(self, pod: Pod) -> bool:
        key, value = self.attempt
        return pod.labels.get(key) == value and not pod.deleting

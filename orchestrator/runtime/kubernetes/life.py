"""One Pod's way from its create to its end, for those who wait for a part of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from orchestrator.runtime.kubernetes.calls import Removed, Seen
from orchestrator.runtime.kubernetes.failures import TurnedAway
from orchestrator.runtime.kubernetes.pods import Pod
from orchestrator.runtime.kubernetes.standing import (
    Ended,
    Reachable,
    Refused,
    Standing,
    Starting,
    gone,
    standing,
)
from orchestrator.runtime.port import EngineRefused, InstanceDied, InstanceExit, Loss


class Life:
    """What is known of a Pod. The first word about its end counts: later ones are about its removal.

    Made inside a running event loop.
    """

    def __init__(self, pod: Pod) -> None:
        self.pod = pod
        self.ordered = False
        """Its end was asked for by us."""
        self.present = True
        """Its object is there, as far as is known."""
        self.standing: Standing = standing(pod)
        self._changed = asyncio.Event()
        self.ending: asyncio.Future[InstanceExit] = asyncio.get_running_loop().create_future()
        """How it ended, once it has. Of a Pod's dozen states it wakes those who wait for its end at one."""
        self._settle_end()

    @property
    def end(self) -> Ended | Refused | None:
        return self.standing if isinstance(self.standing, Ended | Refused) else None

    def why_not_yet(self) -> str:
        """What the cluster says that it waits for."""
        return self.standing.why if isinstance(self.standing, Starting) else ""

    def waits_for_room(self) -> str | None:
        """In the cluster's words, when that is what it waits for."""
        waits = isinstance(self.standing, Starting) and self.standing.no_room
        return (self.why_not_yet() or "no node has room") if waits else None

    def settled(self, *, runs: bool = False) -> bool:
        """Whether it can be reached (and its program `runs`), or never will be."""
        if isinstance(self.standing, Reachable):
            return self.standing.runs or not runs
        return not isinstance(self.standing, Starting)

    def changed(self) -> Coroutine[Any, Any, object]:
        """Ends at the next word about it after this call, whenever its first step is."""
        return self._changed.wait()

    def see(self, pod: Pod) -> None:
        self.pod = pod
        if self.end is None:
            self.standing = standing(pod, ordered=self.ordered)
        self._wake()

    def lose(self, last: Pod) -> None:
        self.present = False
        if self.end is None:
            self.standing = gone(last, ordered=self.ordered)
        self._wake()

    async def reachable(self) -> str:
        """The address of its connector, once it runs.

        Raises EngineRefused when it will never run (TurnedAway where another may), InstanceDied when it has
        ended. Bounded by its caller: a Pod may wait for room, and for what no status shows, for ever.
        """
        while not isinstance(self.standing, Reachable):
            if isinstance(self.standing, Refused):
                raise (TurnedAway if self.standing.again else EngineRefused)(self.standing.why)
            if isinstance(self.standing, Ended):
                ended = self.standing.exit
                raise InstanceDied(f"the Pod ended before it could be reached: {ended.detail}", ended)
            await self._changed.wait()
        return self.standing.ip

    async def ended(self) -> InstanceExit:
        """How it ended, once it has."""
        return await asyncio.shield(self.ending)

    @property
    def is_over(self) -> bool:
        """Whether nothing of it runs, or will: one that is refused has its connector, and its room, still."""
        return not self.present or isinstance(self.standing, Ended)

    async def over(self) -> None:
        """Return when nothing of it runs, or will."""
        while not self.is_over:
            await self._changed.wait()

    async def removed(self) -> None:
        """Return when its object is gone."""
        while self.present:
            await self._changed.wait()

    def _settle_end(self) -> None:
        if (end := self.end) is None or self.ending.done():
            return
        if isinstance(end, Refused):
            self.ending.set_result(InstanceExit(None, None, False, end.why, Loss.CONTAINER_LOST))
        else:
            self.ending.set_result(end.exit)

    def _wake(self) -> None:
        self._settle_end()
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


class Lives:
    """The Pods that somebody here waits for. `hear` is the reflector's listener."""

    def __init__(self) -> None:
        self._lives: dict[str, Life] = {}

    def follow(self, pod: Pod, expect: Callable[[Pod], None]) -> Life:
        """Follow a Pod that a call answered with. `expect`: the reflector's, which may know more by now."""
        life = self._lives.get(pod.uid)
        if life is None:
            life = self._lives[pod.uid] = Life(pod)
            expect(pod)
        return life

    def forget(self, life: Life) -> None:
        self._lives.pop(life.pod.uid, None)

    def hear(self, change: Seen | Removed) -> None:
        life = self._lives.get(change.pod.uid)
        if life is None:
            return
        if isinstance(change, Seen):
            life.see(change.pod)
        else:
            life.lose(change.pod)
            self.forget(life)

    def __len__(self) -> int:
        """Of how many something runs, as far as is known."""
        return sum(not life.is_over for life in self._lives.values())

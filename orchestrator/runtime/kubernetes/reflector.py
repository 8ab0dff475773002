"""What Pods there are, kept up to date by list and watch (spec: Kubernetes, section 6).

A list gives a version, a watch goes on from it. What is seen may only be trusted as long as one of three
things holds: events come, bookmarks come, or the watch ended in order. Else it is listed again: a watch at a
version that the server will only have in the future is open, silent and wrong for ever, and a server that
stops keeps watches open. Versions are compared for equality, and for order only where two answers about one
Pod may have overtaken each other.

Whoever listens is told of each change of a Pod once, from whichever of the two it came, and Pods are told
apart by uid: one that has another's name is another.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import structlog

from orchestrator.runtime.kubernetes.calls import Bookmark, Calls, Event, Removed, Seen
from orchestrator.runtime.kubernetes.failures import Expired, NotFound, wait_after
from orchestrator.runtime.kubernetes.pods import Pod, is_newer
from orchestrator.runtime.kubernetes.settings import WatchSettings
from orchestrator.runtime.port import EngineRefused, EngineUnreachable, RuntimeFailure

log = structlog.get_logger(__name__)

_REMEMBERED = 1000
"""Pods that are gone: one may be gone before the answer to its own create is here."""
BURSTS = 100
"""In the time for which a watch may be silent: so much less it may be at times."""
_TRIES_AT_A_VERSION = 2
"""Failures to watch from one version, or watches that told nothing, before the version is doubted."""


@dataclass(frozen=True, slots=True)
class ReflectorStatistics:
    pods: int
    lists: int
    watches: int
    watching: bool


class Reflector:
    """Follows the Pods that `selector` selects. `listener` must neither block nor raise."""

    def __init__(
        self,
        calls: Calls,
        selector: str,
        listener: Callable[[Seen | Removed], None],
        settings: WatchSettings,
        *,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._calls = calls
        self._selector = selector
        self._listener = listener
        self._settings = settings
        self._pause = pause
        self._chance = chance
        self._pods: dict[str, Pod] = {}
        self._expected: set[str] = set()
        """Uids that were heard of elsewhere since the last list was asked for: it may lack them."""
        self._removed: deque[str] = deque(maxlen=_REMEMBERED)
        self._version: str | None = None
        self._failures = 0
        self._silent = 0
        """Watches that have failed since the last word of one."""
        self._heard_at = 0.0
        """When a list or a watch last told something, in the loop's time."""
        self._patience: asyncio.Timeout | None = None
        self._broken: asyncio.Timeout | None = None
        self._doubtful = False
        self._listed = asyncio.Event()
        self._lists = self._watches = 0

    @property
    def pods(self) -> Mapping[str, Pod]:
        """By uid, as they were last seen."""
        return self._pods

    async def listed(self) -> None:
        """Return when it is known what there is, for the first time."""
        await self._listed.wait()

    def expect(self, pod: Pod) -> None:
        """Take over a Pod that another call answered with, and tell of it, or of what is known since.

        A watch may be faster than an answer: what it told when nobody listened it does not tell again.
        """
        if pod.uid in self._removed:
            self._listener(Removed(pod))
        elif (known := self._pods.get(pod.uid)) is None:
            self._expected.add(pod.uid)
            self._apply(Seen(pod))
        elif is_newer(known.version, pod.version):
            self._listener(Seen(known))

    def doubt(self) -> None:
        """List again now: something else says that the server is not what it was. Never waits."""
        self._doubtful = True
        self.ask_again()

    def ask_again(self) -> None:
        """Let go of the watch and go on from where it was: whether the server is there is asked first."""
        patience, self._patience = self._patience, None
        if patience is not None and not patience.expired():
            self._broken = patience
            patience.reschedule(asyncio.get_running_loop().time())

    def statistics(self) -> ReflectorStatistics:
        return ReflectorStatistics(len(self._pods), self._lists, self._watches, self._patience is not None)

    async def run(self) -> None:
        """Follow until cancelled."""
        while True:
            try:
                if self._doubtful:
                    self._doubtful, self._version, self._silent = False, None, 0
                if self._version is None:
                    self._version = await self._list()
                else:
                    await self._watch(self._version)
            except RuntimeFailure as failure:
                await self._after(failure)

    async def _after(self, failure: RuntimeFailure) -> None:
        """Decide what to go on from, and wait: not at all before the first list after an expired version."""
        self._failures += 1
        expired = isinstance(failure, Expired)
        tries = max(self._failures, self._silent)
        if expired or isinstance(failure, EngineRefused) or tries >= _TRIES_AT_A_VERSION:
            self._version, self._silent = None, 0
        if self._failures == 1 and expired:
            # Every manager lists after a restart of the server: not all in one moment.
            await self._pause(self._chance() * self._settings.first_pause)
            return
        log.info("pods_watch_failed", error=str(failure), tries=self._failures)
        await self._pause(wait_after(failure, self._back_off()))

    def _back_off(self) -> float:
        exponent = min(self._failures - 1, 16)
        pause = min(self._settings.first_pause * 2.0**exponent, self._settings.longest_pause)
        return pause * (0.5 + self._chance() / 2)

    async def _list(self) -> str:
        self._expected.clear()
        listed = await self._calls.list_pods(self._selector)
        self._lists += 1
        self._expected -= {pod.uid for pod in listed.pods}
        found = self._expected | {pod.uid for pod in listed.pods}
        for uid in [uid for uid in self._pods if uid not in found]:
            self._apply(Removed(self._pods[uid]))
        for pod in listed.pods:
            self._apply(Seen(pod))
        while self._expected:
            await self._look_at(self._pods[next(iter(self._expected))])
        self._listed.set()
        self._heard_at = asyncio.get_running_loop().time()
        return listed.version

    async def _look_at(self, last: Pod) -> None:
        """At one that the list lacks: it came after that, or is gone again and no watch will tell of it."""
        try:
            pod = await self._calls.get_pod(last.name)
        except NotFound:
            self._apply(Removed(last))
            return
        self._apply(Seen(pod) if pod.uid == last.uid else Removed(last))
        self._expected.discard(last.uid)

    async def _watch(self, version: str) -> None:
        seconds = int(self._settings.watch_seconds * (1 + self._chance() / 4))
        now = asyncio.get_running_loop().time
        opened, heard = now(), False
        try:
            async with asyncio.timeout(self._settings.silence) as patience:
                self._patience = patience
                async with self._calls.watch_pods(self._selector, version, seconds) as events:
                    self._watches += 1
                    opened = now()
                    async for event in events:
                        heard = True
                        self._heard(event)
        except TimeoutError:
            self._failures = 0
            # One that is let go of again and again is silent all that time.
            if self._broken is patience and now() - self._heard_at < self._settings.silence:
                return
            self._version, self._silent = None, 0
            log.info("pods_watch_not_believed")
            return
        except RuntimeFailure:
            self._cut(now() - opened)
            raise
        finally:
            self._patience = None
        if not heard:
            # In order, but without the bookmark that a server sends before the end.
            self._cut(now() - opened)
            raise EngineUnreachable("the watch ended without saying why")

    def _cut(self, age: float) -> None:
        """What the end of a watch of so many seconds says of the next."""
        self._silent += 1
        if age > self._settings.longest_pause:
            # What cuts quiet connections after a while is no absence that goes on.
            self._failures = 0

    def _heard(self, event: Event) -> None:
        self._failures = self._silent = 0
        self._heard_at = asyncio.get_running_loop().time()
        self._be_patient()
        if isinstance(event, Bookmark):
            self._version = event.version or self._version
            return
        self._version = event.pod.version
        self._apply(event)

    def _be_patient(self) -> None:
        """From now on again; a burst of events moves the timer once."""
        if self._patience is None or self._patience.expired():
            return
        until = asyncio.get_running_loop().time() + self._settings.silence
        if until - (self._patience.when() or 0.0) > self._settings.silence / BURSTS:
            self._patience.reschedule(until)

    def _apply(self, change: Seen | Removed) -> None:
        """Take a change over and tell of it, unless it is none."""
        pod = change.pod
        if isinstance(change, Removed):
            self._removed.append(pod.uid)
            self._expected.discard(pod.uid)
            if self._pods.pop(pod.uid, None) is not None:
                self._listener(change)
            return
        known = self._pods.get(pod.uid)
        if known is None or known.version != pod.version:
            self._pods[pod.uid] = pod
            self._listener(change)

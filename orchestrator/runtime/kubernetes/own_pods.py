"""This manager's Pods: started, taken over, deleted, swept. All of the runtime but the talking.

Whoever talks dials `OwnPod.address()` with `OwnPod.token`. A Pod is this manager's by its labels, so that the
next manager with the same id finds what this one leaves.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

import structlog

from orchestrator.runtime.kubernetes import naming
from orchestrator.runtime.kubernetes.allowance import settle
from orchestrator.runtime.kubernetes.calls import Calls
from orchestrator.runtime.kubernetes.creating import Creation
from orchestrator.runtime.kubernetes.failures import (
    Conflict,
    NotFound,
    wait_after,
)
from orchestrator.runtime.kubernetes.life import Life, Lives
from orchestrator.runtime.kubernetes.pods import Pod, is_newer
from orchestrator.runtime.kubernetes.reflector import Reflector
from orchestrator.runtime.kubernetes.removals import Removals
from orchestrator.runtime.kubernetes.room import Room
from orchestrator.runtime.kubernetes.settings import KubernetesSettings, WatchSettings
from orchestrator.runtime.kubernetes.shape import last_line, manifest
from orchestrator.runtime.port import (
    EngineRefused,
    EngineUnreachable,
    InstanceExit,
    InstanceSpec,
    Role,
    RuntimeFailure,
    Way,
)
from orchestrator.tasks import TaskOwner

log = structlog.get_logger(__name__)

WAY = "way"
"""The annotation that says how a run's node is reached."""
PATCH_TRIES = 4
"""Of a change that must not be another Pod's: every change of its status makes the version another one."""
PATCH_PAUSE_S, LONGEST_PATCH_PAUSE_S = 1.0, 60.0
"""Before one that was not answered is tried again, doubled each time: who forbids it may do so for ever."""


class OwnPod:
    """One Pod of ours. Made by `OwnPods`, which also deletes it, through `remove`."""

    def __init__(
        self,
        spec: InstanceSpec,
        life: Life,
        token: str,
        *,
        order: Callable[[Life], Awaitable[None]],
        remove: Callable[[OwnPod], Awaitable[None]],
        way: Way | None = None,
    ) -> None:
        self.spec = spec
        self.life = life
        self.token = token
        self.way = way
        self.marks = 0
        """How often it was asked to be marked: the newest counts."""
        self._order = order
        self._remove = remove

    @property
    def engine_id(self) -> str:
        return self.life.pod.uid

    async def address(self) -> str:
        """Where its connector listens, once it does. Raises EngineRefused, InstanceDied."""
        return await self.life.reachable()

    async def wait_exit(self) -> InstanceExit:
        return await self.life.ended()

    async def kill(self) -> None:
        """SIGTERM, and SIGKILL a second later; returns when the server took the order.

        Raises EngineUnreachable, EngineRefused: it is then tried again, for ever.
        """
        if self.life.end is None:
            await self._order(self.life)

    async def destroy(self) -> None:
        """Delete it, and return when it is dead, or after a while. Raises like `kill`. Idempotent."""
        await self._remove(self)


class OwnPods:
    """Owns the reflector, what is to be deleted, and their tasks. No I/O before `open`."""

    def __init__(
        self,
        settings: KubernetesSettings,
        calls: Calls,
        watch: WatchSettings | None = None,
        *,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._settings = settings
        self._calls = calls
        self._pause = pause
        self._now = now
        self._lives = Lives()
        selector = naming.managed_selector(settings)
        self.reflector = Reflector(calls, selector, self._lives.hear, watch or WatchSettings(), pause=pause)
        self._removals = Removals(calls, settings.removal_retry, pause=pause)
        self._tasks = TaskOwner("kubernetes")
        self._own: dict[str, OwnPod] = {}
        self._starting: set[str] = set()
        self._doubted = asyncio.Event()
        self.room = Room()

    def doubt(self) -> None:
        """List again, what is known may not be so: at once, or a while after the last such list."""
        self._doubted.set()

    def open(self) -> None:
        """Begin to follow what there is. Inside a running event loop, once."""
        self._tasks.spawn_eternal("reflector", self.reflector.run())
        self._tasks.spawn_eternal("removals", self._removals.run())
        self._tasks.spawn_eternal("doubts", self._look_again())

    @property
    def alive(self) -> int:
        return len(self._lives)

    @property
    def removals_pending(self) -> int:
        return self._removals.pending

    async def start(self, spec: InstanceSpec) -> OwnPod:
        """Create a Pod; its address is to be waited for. Waits for room as long as its caller does.

        Cancelled or failed, nothing of it stays. Raises EngineUnreachable, EngineRefused.
        """
        self._claim_name(spec.name)
        try:
            await self.room.turn(spec)
            return await self._made(spec)
        finally:
            self._starting.discard(spec.name)

    async def _made(self, spec: InstanceSpec) -> OwnPod:
        name, attempt = naming.pod_name(self._settings, spec.name), secrets.token_hex(8)
        label = (self._settings.label_prefix + "attempt", attempt)
        token = secrets.token_hex(32)
        body = manifest(
            self._settings, spec, attempt=attempt, token=token, deadline_in=self._until(spec.deadline)
        )
        creation = Creation(self._calls, body, name, self._ours(), label, pause=self._pause)
        try:
            with self.room.wait(spec) as creation.on_no_room:
                pod = await creation.pod()
        except BaseException:
            if creation.in_doubt:
                self._removals.remember(name, label)
            raise
        return self._follow(spec, pod, token)

    def _claim_name(self, name: str) -> None:
        if name in self._own or name in self._starting:
            raise EngineRefused(f"an instance {name} exists already")
        self._starting.add(name)

    def _until(self, deadline: datetime | None) -> float | None:
        return None if deadline is None else (deadline - self._now()).total_seconds()

    def _ours(self) -> dict[str, str]:
        return dict(term.split("=", 1) for term in naming.managed_selector(self._settings).split(","))

    def _follow(self, spec: InstanceSpec, pod: Pod, token: str) -> OwnPod:
        life = self._lives.follow(pod, self.reflector.expect)
        noted = pod.annotations.get(self._settings.label_prefix + WAY)
        way = Way(noted) if noted in set(Way) else None
        own = OwnPod(spec, life, token, order=self._order, remove=self._remove, way=way)
        self._own[spec.name] = own
        return own

    async def adopt(self, spec: InstanceSpec) -> OwnPod | None:
        """Take over what an earlier manager with the same id started as `spec.name`; null when it is gone.

        Raises EngineUnreachable, EngineRefused.
        """
        self._claim_name(spec.name)
        try:
            pod = await self._find(spec.name)
        finally:
            self._starting.discard(spec.name)
        return None if pod is None or pod.token is None else self._follow(spec, pod, pod.token)

    async def _find(self, name: str) -> Pod | None:
        try:
            pod = await self._calls.get_pod(naming.pod_name(self._settings, name))
        except NotFound:
            return None
        return pod if self._ours().items() <= pod.labels.items() else None

    async def discard(self, name: str) -> None:
        """Delete what an earlier manager with the same id left as `name`; nothing there is no error.

        Returns when it is dead, or after a while. Raises EngineUnreachable; EngineRefused also for a Pod of
        this manager's own.
        """
        if name in self._own or name in self._starting:
            raise EngineRefused(f"instance {name} is this manager's own")
        if (pod := await self._find(name)) is not None:
            with self._followed([pod]) as dying:
                await self._removals.remove(pod.name, pod.uid)
                await self._dead(dying)

    async def reach(self, own: OwnPod, seconds: float, *, runs: bool = False) -> str:
        """The address of a Pod's connector, within so many seconds; what has none by then is deleted.

        `runs`: its program is to run, too. See `allowance` for what does not count. Raises EngineRefused with
        what the cluster said last (TurnedAway where another Pod may be taken), InstanceDied.
        """
        try:
            return await self._reached(own, seconds, runs=runs)
        except TimeoutError:
            why = own.life.why_not_yet() or "the cluster does not say why"
            failure: RuntimeFailure = EngineRefused(f"the Pod did not start within {seconds:g} s: {why}")
        except RuntimeFailure as said:
            failure = said
        with suppress(RuntimeFailure):
            await own.destroy()
        raise failure

    async def _reached(self, own: OwnPod, seconds: float, *, runs: bool) -> str:
        with self.room.wait(own.spec) as say:
            await settle(own.life, seconds, runs=runs, say=say, ask=lambda: self._asked_for(own.life))
        return await own.address()

    async def _asked_for(self, life: Life) -> bool:
        """Whether the API server says how it is: what a watch should have told may be late, or lost."""
        try:
            pod = await self._as_it_is(life.pod)
        except NotFound:
            life.lose(life.pod)
        except EngineUnreachable:
            return False
        except EngineRefused as refused:
            log.info("pod_cannot_be_looked_at", pod=life.pod.name, error=str(refused))
        else:
            if not is_newer(life.pod.version, pod.version):
                life.see(pod)
        return True

    async def mark(
        self, own: OwnPod, seconds: float | None, *, run: int | None = None, way: Way | None = None
    ) -> None:
        """Note on a Pod which run it has, how that reaches its node, and its last line in so many seconds.

        The kubelet ends it then, and a grace later. The line can never be put off: null for Pods of several
        runs. Tries for as long as the Pod has this run. Raises EngineUnreachable, EngineRefused.
        """
        own.marks += 1
        mine, begun, stale, wait = own.marks, self._now(), 0, PATCH_PAUSE_S
        while own.marks == mine:
            try:
                if stale:
                    own.life.see(await self._as_it_is(own.life.pod))
                patch = self._marked(own.life.pod, seconds, begun, run, way)
                await self._calls.patch_pod(own.life.pod.name, patch)
            except Conflict:
                stale += 1
                if stale == PATCH_TRIES:
                    raise
            except EngineUnreachable as away:
                if own.life.ordered or own.life.end is not None:
                    raise
                if wait == PATCH_PAUSE_S:
                    log.info("pod_not_marked_yet", pod=own.life.pod.name, error=str(away))
                await self._pause(wait_after(away, wait))
                wait = min(2 * wait, LONGEST_PATCH_PAUSE_S)
            else:
                return

    async def _as_it_is(self, last: Pod) -> Pod:
        pod = await self._calls.get_pod(last.name)
        if pod.uid != last.uid:
            raise NotFound(f"the name {last.name} is another Pod's by now")
        return pod

    def _marked(
        self, pod: Pod, seconds: float | None, begun: datetime, run: int | None, way: Way | None
    ) -> dict[str, object]:
        """With the version: what has another's name by now is left alone. `seconds`: from `begun`."""
        prefix = self._settings.label_prefix
        labels = {prefix + "state": "busy"} | ({} if run is None else {prefix + "execution": str(run)})
        notes = {} if way is None else {prefix + WAY: way.value}
        patch: dict[str, object] = {
            "metadata": {"resourceVersion": pod.version, "labels": labels, "annotations": notes}
        }
        if seconds is not None:
            since = pod.start_time
            age = 0.0 if since is None else max(0.0, (begun - since).total_seconds())
            patch["spec"] = {"activeDeadlineSeconds": last_line(self._settings, age + seconds)}
        return patch

    async def ping(self) -> None:
        """Raises EngineUnreachable, EngineRefused."""
        await self._calls.list_pods(naming.managed_selector(self._settings))

    async def idle(self) -> dict[str, str]:
        """Names and images of executors that wait for a run, started by whichever manager with this id."""
        listed = await self._calls.list_pods(naming.managed_selector(self._settings))
        prefix = self._settings.label_prefix
        return {
            pod.annotations[prefix + "name"]: pod.annotations[prefix + "image"]
            for pod in listed.pods
            if pod.labels.get(prefix + "role") == Role.EXECUTOR
            and prefix + "execution" not in pod.labels
            and pod.phase == "Running"
            and not pod.deleting
            and {prefix + "name", prefix + "image"} <= pod.annotations.keys()
        }

    async def sweep(self, keep: frozenset[str]) -> list[str]:
        """Delete this manager's Pods that are neither kept nor started by this process; their names.

        Returns when they are dead, or after a while: they may be as many as there are permits. So are those
        that an earlier manager has ordered to be deleted. Raises EngineUnreachable.
        """
        listed = await self._calls.list_pods(naming.managed_selector(self._settings))
        # Looked up after the list: what was started meanwhile is in one of the two.
        mine = keep | self._own.keys() | self._starting
        left = [pod for pod in listed.pods if self._name_of(pod) not in mine]
        removed = sorted(self._name_of(pod) for pod in left if not pod.deleting)
        with self._followed(left) as dying:
            for pod in left:
                if not pod.deleting:
                    await self._removals.remove(pod.name, pod.uid)
            if removed:
                log.info("swept", removed=removed)
            await self._dead(dying)
        return removed

    def _name_of(self, pod: Pod) -> str:
        return pod.annotations.get(self._settings.label_prefix + "name", pod.name)

    @contextmanager
    def _followed(self, pods: Iterable[Pod]) -> Iterator[list[Life]]:
        """What is heard of Pods that are to be deleted; followed before that: one may be gone at once."""
        lives = [self._lives.follow(pod, self.reflector.expect) for pod in pods] if self._tasks else []
        try:
            yield lives
        finally:
            # Of one that still runs somebody else may wait for the end, and it is counted until then.
            for life in lives:
                if life.is_over:
                    self._lives.forget(life)

    async def _dead(self, lives: Sequence[Life]) -> None:
        """Return when nothing of them runs, or after a while. Where nobody follows Pods there are none."""
        try:
            async with asyncio.timeout(self._settings.removal_wait):
                for life in lives:
                    await life.over()
        except TimeoutError:
            self.doubt()

    async def _look_again(self) -> None:
        """Where something may have been missed; once for all of a silent node's Pods: each look lists all."""
        while True:
            await self._doubted.wait()
            self._doubted.clear()
            self.reflector.doubt()
            await self._pause(self._settings.removal_wait)

    async def _remove(self, own: OwnPod) -> None:
        """Order a Pod's deletion, wait until nothing of it runs, or for a while, and forget it."""
        try:
            await self._order(own.life)
            await self._dead([own.life])
            if own.life.is_over:
                self._lives.forget(own.life)
        finally:
            if self._own.get(own.spec.name) is own:
                del self._own[own.spec.name]

    async def _order(self, life: Life) -> None:
        life.ordered = True
        await self._removals.remove(life.pod.name, life.pod.uid)

    async def aclose(self) -> None:
        """End the tasks; Pods are not touched."""
        if self._removals.pending:
            log.warning("removals_left_for_the_next_sweep", count=self._removals.pending)
        await self._tasks.aclose()

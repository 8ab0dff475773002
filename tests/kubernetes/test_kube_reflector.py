"""What there is, kept up to date whatever happens to the server and the way to it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from orchestrator.runtime.kubernetes.calls import Bookmark, Event, PodList, Removed, Seen
from orchestrator.runtime.kubernetes.cluster import Cluster
from orchestrator.runtime.kubernetes.http import ApiServer
from orchestrator.runtime.kubernetes.pod_calls import PodCalls
from orchestrator.runtime.kubernetes.reflector import Reflector
from orchestrator.runtime.kubernetes.settings import WatchSettings
from orchestrator.runtime.port import EngineUnreachable
from orchestrator.tasks import TaskOwner
from tests.jumping_clock import played
from tests.kubernetes.kube_api import KubeApi
from tests.kubernetes.kube_faults import any_call
from tests.until import until

PATIENT = WatchSettings(silence=3600.0)
IMPATIENT = replace(PATIENT, silence=0.05)


class Followed:
    """A reflector that runs, what it told, and the pauses it made (none of them was waited for)."""

    def __init__(self, api: KubeApi, settings: WatchSettings) -> None:
        self.api = api
        self.told: list[tuple[str, str]] = []
        self.pauses: list[float] = []
        self._heard = asyncio.Event()
        self.server = ApiServer(Cluster(api.url, "gv"))
        self.reflector = Reflector(
            PodCalls(self.server), "app=t", self._listen, settings, pause=self._pause, chance=lambda: 0.0
        )
        self.tasks = TaskOwner("test")

    def _listen(self, change: Seen | Removed) -> None:
        self.told.append(("gone" if isinstance(change, Removed) else "seen", change.pod.name))
        self._heard.set()

    async def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self._heard.set()
        await asyncio.sleep(0)

    async def until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            self._heard.clear()
            await self._heard.wait()

    async def has_told(self, what: str, name: str) -> None:
        await self.until(lambda: (what, name) in self.told)

    async def aclose(self) -> None:
        await self.tasks.aclose()
        await self.server.aclose()


@pytest.fixture
async def api() -> AsyncIterator[KubeApi]:
    server = KubeApi()
    await server.start()
    yield server
    await server.aclose()


@pytest.fixture
async def follow(api: KubeApi) -> AsyncIterator[Callable[..., Followed]]:
    all_of_them: list[Followed] = []

    def start(settings: WatchSettings = PATIENT) -> Followed:
        followed = Followed(api, settings)
        followed.tasks.spawn("reflector", followed.reflector.run())
        all_of_them.append(followed)
        return followed

    yield start
    for followed in all_of_them:
        await followed.aclose()


def pod(name: str, **labels: str) -> dict[str, Any]:
    metadata = {"name": name, "labels": {"app": "t"} | labels}
    return {"kind": "Pod", "metadata": metadata, "spec": {"containers": []}, "status": {"phase": "Pending"}}


def add(api: KubeApi, name: str) -> None:
    api.store.add("pods", "gv", pod(name))


def touch(api: KubeApi, name: str, note: str) -> None:
    api.store.change("pods", "gv", name, lambda value: value["metadata"].update(annotations={"a": note}))


async def test_what_was_there_and_what_happens_is_told_once(
    api: KubeApi, follow: Callable[..., Followed]
) -> None:
    add(api, "before")
    followed = follow()
    await followed.reflector.listed()
    assert followed.told == [("seen", "before")]
    add(api, "after")
    touch(api, "after", "1")
    api.store.remove("pods", "gv", "before")
    await followed.has_told("gone", "before")
    assert followed.told == [("seen", "before"), ("seen", "after"), ("seen", "after"), ("gone", "before")]
    assert [one.name for one in followed.reflector.pods.values()] == ["after"]


async def test_a_watch_that_ends_in_order_is_gone_on_from(
    api: KubeApi, follow: Callable[..., Followed]
) -> None:
    followed = follow()
    await api.watching.until(1)
    api.watching.end()
    await api.watching.until(2)
    add(api, "p")
    await followed.has_told("seen", "p")
    assert (followed.reflector.statistics().lists, followed.pauses) == (1, [])


async def test_a_watch_that_is_cut_in_a_line_is_gone_on_from(
    api: KubeApi, follow: Callable[..., Followed]
) -> None:
    followed = follow()
    await api.watching.until(1)
    add(api, "p")
    await followed.has_told("seen", "p")
    api.store.forget()
    api.watching.cut()
    add(api, "q")
    await followed.has_told("seen", "q")
    assert followed.told == [("seen", "p"), ("seen", "q")]
    assert followed.reflector.statistics().lists == 1


async def test_a_version_that_is_too_old_is_listed_anew_at_once(
    api: KubeApi, follow: Callable[..., Followed]
) -> None:
    add(api, "old")
    followed = follow()
    await api.watching.until(1)
    # While nobody watches something goes, something comes, and the server forgets that.
    api.watching.cut()
    api.store.remove("pods", "gv", "old")
    add(api, "new")
    api.store.forget()
    await followed.has_told("seen", "new")
    await followed.has_told("gone", "old")


async def test_a_watch_that_is_told_that_it_expired_is_listed_anew(
    api: KubeApi, follow: Callable[..., Followed]
) -> None:
    followed = follow()
    await api.watching.until(1)
    api.watching.expire()
    await api.watching.until(2)
    assert (followed.reflector.statistics().lists, followed.pauses) == (2, [0.0])


async def test_a_silent_watch_is_not_believed(api: KubeApi, follow: Callable[..., Followed]) -> None:
    api.faults.silent_watches = True
    followed = follow(IMPATIENT)
    await api.watching.until(1)
    add(api, "p")
    await followed.has_told("seen", "p")
    assert followed.reflector.statistics().lists > 1


async def test_a_version_of_the_future_is_not_waited_for(
    api: KubeApi, follow: Callable[..., Followed]
) -> None:
    """A store that was restored from yesterday's copy: the watch is open, and silent for ever."""
    api.store.version += 5000
    followed = follow(IMPATIENT)
    await api.watching.until(1)
    api.watching.cut()
    api.store.version -= 5000
    add(api, "p")
    await followed.has_told("seen", "p")


async def test_doubt_lists_anew_while_a_watch_is_open(api: KubeApi, follow: Callable[..., Followed]) -> None:
    """A server that stops refuses calls and leaves watches open and silent."""
    api.faults.silent_watches = True
    followed = follow()
    await api.watching.until(1)
    add(api, "p")
    followed.reflector.doubt()
    followed.reflector.doubt()
    await followed.has_told("seen", "p")


async def test_a_watch_is_let_go_of_and_goes_on_from_where_it_was(
    api: KubeApi, follow: Callable[..., Followed]
) -> None:
    """What came meanwhile is told by it, and nothing is listed for that."""
    followed = follow()
    await api.watching.until(1)
    followed.reflector.ask_again()
    add(api, "p")
    await followed.has_told("seen", "p")
    await api.watching.until(2)
    assert (followed.reflector.statistics().lists, followed.pauses) == (1, [])


async def test_an_absence_that_is_over_makes_the_next_one_no_longer(
    api: KubeApi, follow: Callable[..., Followed]
) -> None:
    """Though no event came in between."""
    api.faults.silent_watches = True
    followed = follow()
    await api.watching.until(1)
    for _ in range(2):
        watches, pauses = followed.reflector.statistics().watches, len(followed.pauses)
        api.faults.fail = (503, any_call)
        followed.server.reachable = False
        followed.reflector.ask_again()
        await followed.until(lambda: len(followed.pauses) >= pauses + 9)  # noqa: B023
        api.faults.fail = None
        await until(lambda: followed.reflector.statistics().watches > watches)  # noqa: B023
        assert followed.pauses[pauses] == PATIENT.first_pause / 2


async def test_a_doubt_while_it_lists_is_of_that_list(api: KubeApi, follow: Callable[..., Followed]) -> None:
    """It was asked for before."""
    api.faults.silent_watches, api.faults.hold = True, asyncio.Event()
    followed = follow()
    await until(lambda: api.faults.seen)
    followed.reflector.doubt()
    api.faults.hold.set()
    await api.watching.until(1)
    assert followed.reflector.statistics().lists == 2


async def test_what_a_list_repeats_is_not_told_again(api: KubeApi, follow: Callable[..., Followed]) -> None:
    add(api, "p")
    followed = follow()
    await api.watching.until(1)
    followed.reflector.doubt()
    await api.watching.until(2)
    assert followed.told == [("seen", "p")]


async def test_bookmarks_keep_the_place(api: KubeApi, follow: Callable[..., Followed]) -> None:
    """What others do in the cluster moves the version on, and nothing of it is told."""
    followed = follow()
    await api.watching.until(1)
    for number in range(3):
        api.store.add("configmaps", "gv", {"metadata": {"name": f"c{number}"}})
    api.store.forget()
    api.watching.end()
    await api.watching.until(2)
    add(api, "p")
    await followed.has_told("seen", "p")
    assert followed.reflector.statistics().lists == 1


async def test_a_restart_of_the_server_is_followed(api: KubeApi, follow: Callable[..., Followed]) -> None:
    add(api, "old")
    followed = follow()
    await api.watching.until(1)
    await api.stop()
    await followed.until(lambda: len(followed.pauses) > 2)
    api.store.remove("pods", "gv", "old")
    add(api, "new")
    await api.restart()
    await followed.has_told("seen", "new")
    assert followed.told == [("seen", "old"), ("gone", "old"), ("seen", "new")]


async def test_tries_that_fail_are_further_and_further_apart(
    api: KubeApi, follow: Callable[..., Followed]
) -> None:
    api.faults.fail = (503, lambda method, path: True)
    followed = follow()
    await followed.until(lambda: len(followed.pauses) >= 12)
    pauses = followed.pauses[:12]
    assert pauses == sorted(pauses)
    assert pauses[-1] == PATIENT.longest_pause / 2


async def test_a_busy_server_is_left_alone_as_long_as_it_asks(
    api: KubeApi, follow: Callable[..., Followed]
) -> None:
    api.faults.busy = 2
    add(api, "p")
    followed = follow()
    await followed.has_told("seen", "p")
    assert [pause >= 1.0 for pause in followed.pauses] == [True, True]


async def test_a_watch_that_ends_without_a_word_is_not_opened_in_a_hurry(
    api: KubeApi, follow: Callable[..., Followed]
) -> None:
    followed = follow()
    for count in range(1, 5):
        await api.watching.until(count)
        api.watching.end_without_a_word()
    await api.watching.until(5)
    assert len(followed.pauses) == 4
    assert all(pause > 0 for pause in followed.pauses)
    assert followed.reflector.statistics().lists > 1


async def test_a_line_that_is_no_event_is_survived(api: KubeApi, follow: Callable[..., Followed]) -> None:
    followed = follow()
    await api.watching.until(1)
    api.watching.garble()
    await api.watching.until(2)
    add(api, "p")
    await followed.has_told("seen", "p")


async def test_another_pod_under_the_same_name_is_another(
    api: KubeApi, follow: Callable[..., Followed]
) -> None:
    add(api, "p")
    followed = follow()
    await api.watching.until(1)
    (first,) = followed.reflector.pods
    api.watching.cut()
    api.store.remove("pods", "gv", "p")
    add(api, "p")
    api.store.forget()
    await followed.until(lambda: len(followed.told) == 3)
    assert followed.told == [("seen", "p"), ("gone", "p"), ("seen", "p")]
    assert first not in followed.reflector.pods


@pytest.mark.parametrize("seed", range(8))
async def test_whatever_happens_it_ends_up_right(
    api: KubeApi, follow: Callable[..., Followed], seed: int
) -> None:
    chance = random.Random(seed)
    followed = follow()
    await followed.reflector.listed()
    for number in range(40):
        names = [value["metadata"]["name"] for value in api.store.all("pods", "gv")]
        match chance.randrange(9):
            case 0 | 1:
                add(api, f"p{number}")
            case 2 | 3 if names:
                touch(api, chance.choice(names), str(number))
            case 4 if names:
                api.store.remove("pods", "gv", chance.choice(names))
            case 5:
                api.watching.cut()
            case 6:
                api.watching.end()
            case 7:
                api.store.forget()
            case _:
                followed.reflector.doubt()
        if chance.random() < 0.3:
            await asyncio.sleep(0)
    add(api, "last")
    await followed.has_told("seen", "last")
    ours = {one.uid: one.version for one in followed.reflector.pods.values()}
    theirs = {
        value["metadata"]["uid"]: value["metadata"]["resourceVersion"]
        for value in api.store.all("pods", "gv")
    }
    assert ours == theirs


class Quiet:
    """Watches in which nothing happens, cut after so many seconds by what does not keep quiet connections."""

    def __init__(self, every: float) -> None:
        self._every = every

    async def list_pods(self, selector: str) -> PodList:
        return PodList((), "1")

    @asynccontextmanager
    async def watch_pods(
        self, selector: str, version: str, seconds: int
    ) -> AsyncIterator[AsyncIterator[Event]]:
        yield self._told()

    async def _told(self) -> AsyncIterator[Event]:
        await asyncio.sleep(self._every)
        raise EngineUnreachable("cut")
        yield Bookmark("2")


@pytest.mark.parametrize(("every", "longest", "lists"), [(55.0, 0.2, 10), (1.0, 15.0, None)])
def test_what_cuts_a_quiet_watch_again_and_again_is_no_longer_and_longer_absence(
    every: float, longest: float, lists: int | None
) -> None:
    """Each second time it is listed: a version that the server will only have in the future is quiet, too."""
    pauses: list[float] = []

    async def paused(seconds: float) -> None:
        pauses.append(seconds)
        await asyncio.sleep(seconds)

    async def work() -> int:
        reflector = Reflector(
            Quiet(every),  # type: ignore[arg-type]
            "",
            lambda _: None,
            WatchSettings(),
            pause=paused,
            chance=lambda: 1.0,
        )
        following = asyncio.ensure_future(reflector.run())
        asyncio.get_running_loop().call_at(1000, following.cancel)
        await asyncio.wait({following})
        return reflector.statistics().lists

    listed = played(work())
    assert max(pauses) == longest
    assert lists is None or listed == lists


def test_a_silent_watch_that_is_let_go_of_again_and_again_is_not_believed_either() -> None:
    """Each time it began anew, its version would be quiet for ever."""

    async def work() -> int:
        reflector = Reflector(Quiet(3600.0), "", lambda _: None, WatchSettings())  # type: ignore[arg-type]
        following = asyncio.ensure_future(reflector.run())
        for _ in range(20):
            await asyncio.sleep(50)
            reflector.ask_again()
        following.cancel()
        await asyncio.wait({following})
        return reflector.statistics().lists

    # 180 s of silence are noticed at the next time that it is let go of.
    assert played(work()) == 1 + 1000 // 200 - 1


class Bookmarks:
    """A server without Pods that sends a bookmark each `every` seconds, in watches that never end."""

    def __init__(self, every: float) -> None:
        self._every = every

    async def list_pods(self, selector: str) -> PodList:
        return PodList((), "1")

    @asynccontextmanager
    async def watch_pods(
        self, selector: str, version: str, seconds: int
    ) -> AsyncIterator[AsyncIterator[Event]]:
        yield self._told()

    async def _told(self) -> AsyncIterator[Event]:
        while True:
            await asyncio.sleep(self._every)
            yield Bookmark("2")


@pytest.mark.parametrize(("every", "lists"), [(0.1, 1), (60.0, 1), (170.0, 1), (190.0, 6)])
def test_a_watch_is_believed_for_as_long_as_it_says_something(every: float, lists: int) -> None:
    async def work() -> int:
        reflector = Reflector(Bookmarks(every), "", lambda _: None, WatchSettings())  # type: ignore[arg-type]
        following = asyncio.ensure_future(reflector.run())
        # On the clock that jumps: at its time, and at once.
        asyncio.get_running_loop().call_at(1000, following.cancel)
        await asyncio.wait({following})
        return reflector.statistics().lists

    assert played(work()) == lists

"""A manager's Pods: started, taken over by the next manager, deleted, swept; back-pressure and last lines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from orchestrator.runtime.kubernetes.own_pods import OwnPods
from orchestrator.runtime.kubernetes.reflector import Reflector
from orchestrator.runtime.port import EngineRefused, EngineUnreachable, Loss, Way
from tests.kubernetes.kube_bench import Bench, bench, pod_name, spec_of
from tests.kubernetes.kube_managers import Managers, managers_at
from tests.until import until

STATE = "io.genvm.orchestrator.state"
LIFE = "sidecar: deleted, both end on TERM"


@pytest.fixture
async def at() -> AsyncIterator[Bench]:
    async with bench() as one:
        yield one


@pytest.fixture
async def managers(at: Bench) -> AsyncIterator[Managers]:
    async with managers_at(at) as several:
        yield several


def kept(at: Bench, name: str) -> dict[str, Any]:
    value = at.api.store.get("pods", "gv", pod_name(name))
    assert value is not None
    return value


async def test_a_start_is_a_pod_that_can_be_dialled(at: Bench, managers: Managers) -> None:
    own = await managers.one().start(spec_of("run-7"))
    at.kubelet.live(own.life.pod.name, LIFE, until=4, address="127.0.0.1")
    assert await own.address() == "127.0.0.1"
    assert len(own.token) == 64
    assert kept(at, "run-7")["spec"]["activeDeadlineSeconds"] == 75


async def test_when_pods_are_followed_no_more_somebody_says_so(
    managers: Managers, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def returns(_: object) -> None:
        return None

    monkeypatch.setattr(Reflector, "run", returns)
    with capture_logs() as records:
        managers.one()
        await until(lambda: bool(records))
    assert ("eternal_task_ended", "kubernetes:reflector") in [(one["event"], one["task"]) for one in records]


async def test_no_two_starts_have_one_name(at: Bench, managers: Managers) -> None:
    pods = managers.one()
    await pods.start(spec_of("run-7"))
    with pytest.raises(EngineRefused, match="exists already"):
        await pods.start(spec_of("run-7"))


async def test_a_start_waits_for_room_and_says_why(at: Bench, managers: Managers) -> None:
    pods = managers.one()
    at.api.store.add("resourcequotas", "gv", {"metadata": {"name": "rq"}, "spec": {"hard": {"pods": "1"}}})
    first = await pods.start(spec_of("run-7"))
    second = asyncio.ensure_future(pods.start(spec_of("run-8")))
    await managers.pauses.until(1)
    assert pods.room.why is not None
    assert "exceeded quota: rq" in pods.room.why
    await first.destroy()
    assert (await second).spec.name == "run-8"
    assert pods.room.why is None


async def test_of_a_cancelled_start_nothing_stays(at: Bench, managers: Managers) -> None:
    """The answer to its create is not there yet; the Pod comes, and goes."""
    pods = managers.one()
    at.api.faults.hold = asyncio.Event()
    starting = asyncio.ensure_future(pods.start(spec_of("run-7")))
    await until(lambda: ("POST", "/api/v1/namespaces/gv/pods") in at.api.faults.seen)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert pods.removals_pending == 1
    at.api.faults.hold.set()
    at.api.faults.hold = None
    await until(lambda: not pods.removals_pending)
    assert at.api.store.all("pods", "gv") == []
    kinds = [(change.before is None, change.after is None) for change in at.api.store.log]
    assert kinds[-1] == (False, True)


@pytest.mark.parametrize("refused", [False, True])
async def test_a_start_that_may_have_been_done_is_undone(
    at: Bench, managers: Managers, *, refused: bool
) -> None:
    """The server is out of order, or loses its first answer and then refuses for good."""
    pods = managers.one()
    if refused:
        quota = {"metadata": {"name": "rq"}, "spec": {"hard": {"limits.ephemeral-storage": "10Gi"}}}
        at.api.store.add("resourcequotas", "gv", quota)
        at.api.faults.lose_reply = lambda method, path: method == "POST"
    else:
        at.api.faults.fail = (503, lambda method, path: method == "POST")
    with pytest.raises(EngineRefused if refused else EngineUnreachable):
        await pods.start(spec_of("run-7"))
    assert pods.removals_pending == 1


async def test_of_a_cancelled_wait_for_room_there_is_nothing_to_look_for(
    at: Bench, managers: Managers
) -> None:
    pods = managers.one()
    at.api.store.add("resourcequotas", "gv", {"metadata": {"name": "rq"}, "spec": {"hard": {"pods": "0"}}})
    waiting, paused = asyncio.Event(), asyncio.Event()

    async def pause(_: float) -> None:
        paused.set()
        await waiting.wait()

    pods._pause = pause
    starting = asyncio.ensure_future(pods.start(spec_of("run-7")))
    await paused.wait()
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert (pods.removals_pending, pods.room.why) == (0, None)


async def test_the_next_manager_takes_a_pod_over_with_its_token(at: Bench, managers: Managers) -> None:
    own = await managers.one().start(spec_of("run-7"))
    at.kubelet.live(own.life.pod.name, LIFE, until=5, address="127.0.0.1")
    await managers.all[0].aclose()
    adopted = await managers.one().adopt(spec_of("run-7"))
    assert adopted is not None
    assert (adopted.engine_id, adopted.token) == (own.engine_id, own.token)
    assert await adopted.address() == "127.0.0.1"
    assert own.token not in repr(adopted.life.pod)


async def test_an_end_that_nobody_saw_is_still_told(at: Bench, managers: Managers) -> None:
    own = await managers.one().start(spec_of("run-7"))
    await managers.all[0].aclose()
    at.kubelet.live(own.life.pod.name, "sidecar: the instance exits 3")
    adopted = await managers.one().adopt(spec_of("run-7"))
    assert adopted is not None
    assert (await adopted.wait_exit()).exit_code == 3


async def test_what_is_gone_or_anothers_is_not_taken_over(at: Bench, managers: Managers) -> None:
    await managers.one("m2").start(spec_of("run-7"))
    ours = managers.one()
    assert await ours.adopt(spec_of("run-7")) is None
    await ours.discard("run-7")
    assert len(at.api.store.all("pods", "gv")) == 1


async def test_a_pod_that_only_has_our_name_is_not_ours(at: Bench, managers: Managers) -> None:
    own = await managers.one().start(spec_of("run-7"))
    await managers.all[0].aclose()
    at.api.store.change("pods", "gv", own.life.pod.name, lambda pod: pod["metadata"].update(labels={}))
    ours = managers.one()
    assert await ours.adopt(spec_of("run-7")) is None
    await ours.discard("run-7")
    assert len(at.api.store.all("pods", "gv")) == 1


async def test_discard_deletes_what_an_earlier_manager_left(at: Bench, managers: Managers) -> None:
    await managers.one().start(spec_of("run-7"))
    with pytest.raises(EngineRefused, match="own"):
        await managers.all[0].discard("run-7")
    await managers.one().discard("run-7")
    assert at.api.store.all("pods", "gv") == []


async def test_a_sweep_takes_what_is_neither_kept_nor_started_here(at: Bench, managers: Managers) -> None:
    earlier = managers.one()
    for name in ("run-1", "run-2"):
        await earlier.start(spec_of(name))
    await managers.one("m2").start(spec_of("other"))
    ours = managers.one()
    await ours.start(spec_of("run-3"))
    assert await ours.sweep(frozenset({"run-2"})) == ["run-1"]
    left = {value["metadata"]["name"] for value in at.api.store.all("pods", "gv")}
    assert left == {pod_name("run-2"), pod_name("run-3"), "genvm-m2-other"}


async def ends_with_the_pod(at: Bench, ours: OwnPods, removing: Awaitable[object]) -> None:
    """Its program ends later than the server has taken the order."""
    waiting = asyncio.ensure_future(removing)
    await until(lambda: "deletionTimestamp" in kept(at, "run-1")["metadata"])
    for _ in range(3):
        await ours.ping()  # what is answered after the order
    assert not waiting.done()
    at.api.store.remove("pods", "gv", pod_name("run-1"))
    await waiting


@pytest.mark.parametrize("already", [False, True], ids=["deleted now", "deleted by the earlier manager"])
async def test_a_sweep_returns_when_what_it_found_is_dead(
    at: Bench, managers: Managers, already: bool
) -> None:
    """Then as many runs may begin as there are permits."""
    earlier = await managers.one().start(spec_of("run-1"))
    at.kubelet.live(earlier.life.pod.name, "sidecar: deleted, neither ends on TERM", until=5)
    if already:
        await earlier.kill()
    ours = managers.one()
    await ends_with_the_pod(at, ours, ours.sweep(frozenset()))


async def test_a_discard_returns_when_what_it_found_is_dead(at: Bench, managers: Managers) -> None:
    earlier = await managers.one().start(spec_of("run-1"))
    at.kubelet.live(earlier.life.pod.name, "sidecar: deleted, neither ends on TERM", until=5)
    ours = managers.one()
    await ends_with_the_pod(at, ours, ours.discard("run-1"))


async def test_what_is_gone_at_once_is_not_waited_for(
    at: Bench, managers: Managers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first list of all comes while a sweep deletes one after another, and lacks what went before it."""
    earlier = managers.one()
    for number in range(30):
        await earlier.start(spec_of(f"run-{number}"))
    may_list, listing = asyncio.Event(), Reflector._list

    async def later(reflector: Reflector) -> str:
        await may_list.wait()
        return await listing(reflector)

    monkeypatch.setattr(Reflector, "_list", later)
    ours = managers.one()
    sweeping = asyncio.ensure_future(ours.sweep(frozenset()))
    await until(lambda: len(at.api.store.all("pods", "gv")) < 30)
    may_list.set()
    assert len(await sweeping) == 30
    assert ours.alive == 0


async def test_what_a_sweep_gave_up_waiting_for_is_still_followed(at: Bench, managers: Managers) -> None:
    ours = managers.one(removal_wait=0.1)
    own = await ours.start(spec_of("run-1"))
    at.kubelet.live(own.life.pod.name, "sidecar: deleted, neither ends on TERM", until=5)
    waiting = asyncio.ensure_future(own.wait_exit())
    await own.destroy()
    await ours.sweep(frozenset())
    assert ours.alive == 1
    at.api.store.remove("pods", "gv", own.life.pod.name)
    assert (await waiting).signal == 9
    assert ours.alive == 0


async def test_an_end_that_no_watch_tells_of_is_looked_for(at: Bench, managers: Managers) -> None:
    """Once for all Pods of a node that is silent, and once more: each look is at all Pods there are."""
    at.api.faults.silent_watches = True
    go_on = asyncio.Event()

    async def held(seconds: float) -> None:
        await go_on.wait()

    ours = managers.one(pause=held, removal_wait=0.05)
    owns = [await ours.start(spec_of(f"run-{number}")) for number in range(3)]
    for own in owns:
        at.kubelet.live(own.life.pod.name, "sidecar: deleted, neither ends on TERM", until=5)
    await until(lambda: ours.reflector.statistics().watching)
    at.api.store.remove("pods", "gv", owns[0].life.pod.name)
    await owns[0].destroy()
    await until(lambda: ours.alive == 2)
    for own in owns[1:]:
        await until(lambda: ours.reflector.statistics().watching)
        await own.destroy()
    assert (ours.alive, ours.reflector.statistics().lists) == (2, 2)
    at.api.store.remove("pods", "gv", owns[1].life.pod.name)
    go_on.set()
    await until(lambda: ours.alive == 1)
    assert ours.reflector.statistics().lists == 3


async def test_a_pod_that_never_runs_is_destroyed_when_it_is_gone(at: Bench, managers: Managers) -> None:
    """Until then its connector runs, and it has its room."""
    ours = managers.one()
    own = await ours.start(spec_of("run-1"))
    at.kubelet.live(own.life.pod.name, "image missing, pull policy Never", until=4)
    with pytest.raises(EngineRefused):
        await own.address()
    await ends_with_the_pod(at, ours, own.destroy())


async def test_only_what_runs_and_waits_for_a_run_is_idle(at: Bench, managers: Managers) -> None:
    pods = managers.one()
    warm = replace(spec_of("warm-1"), execution_id=None, deadline=None)
    for spec in (warm, replace(warm, name="warm-2"), spec_of("run-7")):
        await pods.start(spec)
    for name in ("warm-1", "run-7"):
        at.kubelet.live(pod_name(name), LIFE, until=5)
    assert await pods.idle() == {"warm-1": "executor@sha256:11"}


async def test_a_kill_is_seen_as_what_it_was(at: Bench, managers: Managers) -> None:
    own = await managers.one().start(spec_of("run-7"))
    at.kubelet.live(own.life.pod.name, "sidecar: deleted, neither ends on TERM", until=5)
    await own.kill()
    assert kept(at, "run-7")["metadata"]["deletionGracePeriodSeconds"] == 1
    at.api.store.remove("pods", "gv", own.life.pod.name)
    ended = await own.wait_exit()
    assert (ended.signal, ended.loss) == (9, None)
    await own.kill()


async def test_destroy_may_be_asked_for_again(at: Bench, managers: Managers) -> None:
    pods = managers.one()
    own = await pods.start(spec_of("run-7"))
    await own.destroy()
    await own.destroy()
    assert (pods.alive, pods.removals_pending) == (0, 0)


async def test_a_warm_pod_gets_its_last_line_with_its_run(at: Bench, managers: Managers) -> None:
    pods = managers.one()
    own = await pods.start(replace(spec_of("warm-1"), execution_id=None, deadline=None))
    assert "activeDeadlineSeconds" not in kept(at, "warm-1")["spec"]
    assert kept(at, "warm-1")["metadata"]["labels"][STATE] == "idle"
    await pods.mark(own, 30.0, run=9, way=Way.RELAY)
    assert kept(at, "warm-1")["spec"]["activeDeadlineSeconds"] == 45
    labels = kept(at, "warm-1")["metadata"]["labels"]
    assert (labels[STATE], labels["io.genvm.orchestrator.execution"]) == ("busy", "9")
    adopted = await managers.one().adopt(own.spec)
    assert adopted is not None
    assert adopted.way is Way.RELAY
    with pytest.raises(EngineRefused):
        await pods.mark(own, 300.0)


async def test_a_line_is_drawn_though_the_pods_status_changes_all_the_time(
    at: Bench, managers: Managers
) -> None:
    pods = managers.one()
    own = await pods.start(replace(spec_of("warm-1"), execution_id=None, deadline=None))
    before = own.life.pod.version
    at.kubelet.live(own.life.pod.name, LIFE, until=4, address="127.0.0.1")
    assert own.life.pod.version == before
    await pods.mark(own, 30.0)
    assert "activeDeadlineSeconds" in kept(at, "warm-1")["spec"]


def is_patch(method: str, path: str) -> bool:
    return method == "PATCH"


@pytest.mark.parametrize("status", [200, 403, 404, 503])
async def test_a_line_is_drawn_though_the_server_is_out_of_order_for_a_while(
    at: Bench, managers: Managers, status: int
) -> None:
    """Else the Pod has none for good, and is listed as one that waits for a run.

    Who forbids it may do so for as long as the Pod is there, and each try makes the manager look unready.
    """
    pods = managers.one()
    own = await pods.start(replace(spec_of("warm-1"), execution_id=None, deadline=None))
    at.kubelet.live(own.life.pod.name, LIFE, until=5)
    at.api.faults.fail = (status, is_patch)
    marking = asyncio.ensure_future(pods.mark(own, 30.0, run=9))
    await until(lambda: managers.pauses.made.count(60.0) > 1)
    assert {1.0, 2.0, 4.0, 8.0, 16.0, 32.0} <= set(managers.pauses.made)
    at.api.faults.fail = None
    await marking
    assert "activeDeadlineSeconds" in kept(at, "warm-1")["spec"]
    assert await pods.idle() == {}


async def test_a_lost_answer_draws_no_second_line(at: Bench, managers: Managers) -> None:
    pods = managers.one()
    own = await pods.start(replace(spec_of("warm-1"), execution_id=None, deadline=None))
    at.api.faults.lose_reply = is_patch
    await pods.mark(own, 30.0, run=9)
    assert kept(at, "warm-1")["spec"]["activeDeadlineSeconds"] == 45


async def test_what_was_destroyed_is_not_marked_any_more(at: Bench, managers: Managers) -> None:
    pods = managers.one()
    own = await pods.start(replace(spec_of("warm-1"), execution_id=None, deadline=None))
    at.api.faults.away = True
    marking = asyncio.ensure_future(pods.mark(own, 30.0, run=9))
    await managers.pauses.until(2)
    with pytest.raises(EngineUnreachable):
        await own.destroy()
    with pytest.raises(EngineUnreachable):
        await marking


async def test_of_two_marks_the_newer_one_stays(at: Bench, managers: Managers) -> None:
    """The first run's could not be made while it ran; it is another's by now."""
    pods = managers.one()
    own = await pods.start(replace(spec_of("warm-1"), execution_id=None, deadline=None, reuse=5))
    at.api.faults.fail = (503, is_patch)
    older = asyncio.ensure_future(pods.mark(own, None, run=8))
    await managers.pauses.until(1)
    newer = asyncio.ensure_future(pods.mark(own, None, run=9))
    await managers.pauses.until(3)
    at.api.faults.fail = None
    await asyncio.gather(older, newer)
    assert kept(at, "warm-1")["metadata"]["labels"]["io.genvm.orchestrator.execution"] == "9"


async def test_a_run_whose_pod_goes_while_the_server_is_away_is_lost(at: Bench, managers: Managers) -> None:
    own = await managers.one().start(spec_of("run-7"))
    at.kubelet.live(own.life.pod.name, LIFE, until=5)
    await at.api.stop()
    at.api.store.remove("pods", "gv", own.life.pod.name)
    await at.api.restart()
    assert (await own.wait_exit()).loss is Loss.CONTAINER_LOST

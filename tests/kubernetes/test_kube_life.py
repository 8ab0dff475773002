"""From a Pod's create to its end: who waits for a part of it hears of it, and none is forgotten."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from orchestrator.runtime.kubernetes import removals as removals_module
from orchestrator.runtime.kubernetes.life import Life
from orchestrator.runtime.kubernetes.removals import Removals
from orchestrator.runtime.port import EngineRefused, EngineUnreachable, InstanceDied, Loss
from orchestrator.tasks import TaskOwner
from tests.kubernetes.kube_bench import ATTEMPT, Bench, Pauses, bench, made, pod_name
from tests.kubernetes.kube_faults import any_call
from tests.until import until

NAME = pod_name("run-7")


@pytest.fixture
async def at() -> AsyncIterator[Bench]:
    async with bench() as one:
        yield one


async def test_a_pods_connector_is_reachable_before_its_executor_runs(at: Bench) -> None:
    life = at.follow(await at.calls.create_pod(made("run-7")))
    at.kubelet.live(NAME, "sidecar: the instance exits 3", until=4, address="127.0.0.1")
    assert await life.reachable() == "127.0.0.1"
    assert life.end is None


async def test_an_end_is_told_to_all_who_wait(at: Bench) -> None:
    life = at.follow(await at.calls.create_pod(made("run-7")))
    waiting = [asyncio.ensure_future(life.ended()) for _ in range(2)]
    at.kubelet.live(NAME, "sidecar: the instance exits 3")
    assert [ended.exit_code for ended in await asyncio.gather(*waiting)] == [3, 3]
    assert len(at.lives) == 0


async def test_of_a_pod_that_is_over_when_it_is_met_the_end_is_known(at: Bench) -> None:
    await at.calls.create_pod(made("run-7"))
    at.kubelet.live(NAME, "sidecar: the instance exits 3")
    assert (await Life(await at.calls.get_pod(NAME)).ended()).exit_code == 3


async def test_the_first_word_about_an_end_counts(at: Bench) -> None:
    """A Pod that ended by itself and is deleted afterwards, as tidy operators do, was not lost."""
    life = at.follow(await at.calls.create_pod(made("run-7")))
    at.kubelet.live(NAME, "sidecar: the instance exits 3")
    await life.ended()
    await at.calls.delete_pod(NAME, life.pod.uid, grace=1)
    await life.removed()
    assert ((await life.ended()).exit_code, (await life.ended()).loss) == (3, None)


async def test_a_pod_that_is_deleted_by_hand_is_lost(at: Bench) -> None:
    life = at.follow(await at.calls.create_pod(made("run-7")))
    at.kubelet.live(NAME, "sidecar: deleted, both end on TERM")
    assert (await life.ended()).loss is Loss.CONTAINER_LOST


async def test_a_pod_that_goes_while_nobody_watches_is_lost(at: Bench) -> None:
    life = at.follow(await at.calls.create_pod(made("run-7")))
    at.kubelet.live(NAME, "sidecar: the instance exits 3", until=5)
    at.api.watching.cut()
    at.api.store.remove("pods", "gv", NAME)
    at.api.store.forget()
    assert (await life.ended()).loss is Loss.CONTAINER_LOST


async def test_a_pod_whose_deletion_we_ordered_is_not(at: Bench) -> None:
    life = at.follow(await at.calls.create_pod(made("run-7")))
    life.ordered = True
    at.kubelet.live(NAME, "sidecar: deleted, neither ends on TERM")
    ended = await life.ended()
    assert (ended.signal, ended.loss) == (9, None)


async def test_what_will_never_run_is_refused(at: Bench) -> None:
    life = at.follow(await at.calls.create_pod(made("run-7")))
    at.kubelet.live(NAME, "image name invalid")
    with pytest.raises(EngineRefused, match="InvalidImageName"):
        await life.reachable()


async def test_what_ended_before_it_could_be_reached_died(at: Bench) -> None:
    life = at.follow(await at.calls.create_pod(made("run-7")))
    at.api.store.remove("pods", "gv", NAME)
    with pytest.raises(InstanceDied, match="deleted by somebody else") as told:
        await life.reachable()
    assert told.value.exit == await life.ended()


async def test_a_pod_that_is_gone_before_its_creates_answer_is_here_is_gone(at: Bench) -> None:
    """The watch is faster than the answer: it has told of the create and of the end before."""
    pod = await at.calls.create_pod(made("run-7"))
    witness = at.follow(await at.calls.create_pod(made("run-8")))
    at.api.store.remove("pods", "gv", pod.name)
    at.api.store.remove("pods", "gv", witness.pod.name)
    await witness.removed()
    assert (await at.follow(pod).ended()).loss is Loss.CONTAINER_LOST


@asynccontextmanager
async def late_list(at: Bench, *, fresh: bool) -> AsyncIterator[None]:
    """A list is under way meanwhile, and has what there is afterwards (`fresh`), or what was before."""
    before = await at.calls.list_pods("")
    asked, answered = asyncio.Event(), asyncio.Event()
    real = at.calls.list_pods

    async def late(selector: str) -> object:
        asked.set()
        await answered.wait()
        return await real(selector) if fresh else before

    at.calls.list_pods = late  # type: ignore[method-assign, assignment]
    at.reflector.doubt()
    await asked.wait()
    at.calls.list_pods = real  # type: ignore[method-assign]
    yield
    answered.set()
    await at.api.watching.until(2)


async def test_a_pod_that_a_list_under_way_cannot_have_yet_is_not_gone(at: Bench) -> None:
    """The list's answer is late, and from before the create."""
    async with late_list(at, fresh=False):
        life = at.follow(await at.calls.create_pod(made("run-7")))
    at.kubelet.live(NAME, "sidecar: the instance exits 3")
    assert (await life.ended()).exit_code == 3


async def test_a_pod_that_came_and_went_while_a_list_was_under_way_is_gone(at: Bench) -> None:
    """From its version on no watch tells of either."""
    async with late_list(at, fresh=True):
        life = at.follow(await at.calls.create_pod(made("run-7")))
        at.api.store.remove("pods", "gv", NAME)
    assert (await life.ended()).loss is Loss.CONTAINER_LOST


async def test_what_the_watch_told_before_the_answer_came_is_known_to_who_follows(at: Bench) -> None:
    """It tells of it once, and a Pod that no node has room for shows nothing more."""
    answer = await at.calls.create_pod(made("run-7"))
    at.kubelet.live(NAME, "unschedulable")
    newest = at.api.store.get("pods", "gv", NAME)
    assert newest is not None
    version = newest["metadata"]["resourceVersion"]
    await until(lambda: answer.uid in at.reflector.pods and at.reflector.pods[answer.uid].version == version)
    assert "Insufficient cpu" in (at.follow(answer).waits_for_room() or "")


async def test_an_answer_that_is_newer_than_the_watch_counts(at: Bench) -> None:
    """A watch that is silent tells of it no sooner than its silence is noticed."""
    await at.calls.create_pod(made("run-7"))
    await until(lambda: len(at.reflector.pods) == 1)
    at.api.faults.silent_watches = True
    at.kubelet.live(NAME, "sidecar: the instance exits 3", until=4, address="127.0.0.1")
    assert await at.follow(await at.calls.get_pod(NAME)).reachable() == "127.0.0.1"


async def test_who_waits_no_more_ends_no_other_wait(at: Bench) -> None:
    life = at.follow(await at.calls.create_pod(made("run-7")))
    given_up, waiting = (asyncio.ensure_future(life.ended()) for _ in range(2))
    await asyncio.sleep(0)
    given_up.cancel()
    await asyncio.wait({given_up})
    at.kubelet.live(NAME, "sidecar: the instance exits 3")
    assert (await waiting).exit_code == 3


async def test_an_end_that_the_watch_told_before_the_answer_came_is_one(at: Bench) -> None:
    answer = await at.calls.create_pod(made("run-7"))
    at.kubelet.live(NAME, "sidecar: the instance exits 3")
    await until(lambda: answer.uid in at.reflector.pods and at.reflector.pods[answer.uid].phase == "Failed")
    assert (await at.follow(answer).ended()).exit_code == 3


def is_delete(method: str, path: str) -> bool:
    return method == "DELETE"


@pytest.mark.parametrize("status", [200, 404, 409, 503])
async def test_what_could_not_be_deleted_is_deleted_later(at: Bench, status: int) -> None:
    """Whoever said so: of the first three none was the server."""
    pod = await at.calls.create_pod(made("run-7"))
    at.api.faults.fail = (status, is_delete)
    pauses = Pauses()
    removals = Removals(at.calls, 2.0, pause=pauses)
    tasks = TaskOwner("test")
    tasks.spawn("removals", removals.run())
    with pytest.raises(EngineUnreachable):
        await removals.remove(pod.name, pod.uid)
    life = at.follow(pod)
    await pauses.until(2)
    assert removals.pending == 1
    at.api.faults.fail = None
    await life.removed()
    await tasks.aclose()


FORBIDDEN = json.dumps({"kind": "Status", "reason": "Forbidden", "message": "no deletions here"})


@pytest.mark.parametrize(
    ("words", "rounds"), [(FORBIDDEN, [1, 3, 7, 15, 31]), ("<html>sign in</html>", [1, *range(3, 40, 4)])]
)
async def test_who_forbids_a_deletion_is_asked_more_and_more_rarely(
    at: Bench, words: str, rounds: list[int]
) -> None:
    """And when it is allowed again it is done: soon, where it was something on the way that forbade it."""
    pod = await at.calls.create_pod(made("run-7"))
    at.api.faults.fail, at.api.faults.words = (403, is_delete), words
    pauses = Pauses()
    removals = Removals(at.calls, 2.0, pause=pauses)
    tasks = TaskOwner("test")
    tasks.spawn("removals", removals.run())
    with pytest.raises((EngineUnreachable, EngineRefused)):
        await removals.remove(pod.name, pod.uid)
    life = at.follow(pod)
    with capture_logs() as logs:
        await pauses.until(40)
        tries = [seen for seen in at.api.faults.seen if is_delete(*seen)]
    assert len(tries) == 1 + len(rounds)
    assert [line["pod"] for line in logs if line["event"] == "pod_not_deleted"] == [NAME] * len(rounds)
    at.api.faults.fail = None
    await life.removed()
    await until(lambda: not removals.pending)
    await tasks.aclose()


async def test_one_that_a_proxy_keeps_back_is_looked_for_until_somebody_knows(
    at: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(removals_module, "LATE_CREATE_S", 0.0)
    pauses = Pauses()
    removals = Removals(at.calls, 2.0, pause=pauses)
    tasks = TaskOwner("test")
    life = at.follow(await at.calls.create_pod(made("run-7")))
    at.api.faults.fail = (403, any_call)
    tasks.spawn("removals", removals.run())
    removals.remember(NAME, (ATTEMPT, "a1"))
    await pauses.until(3)
    at.api.faults.fail = None
    await life.removed()
    await tasks.aclose()


async def test_a_pod_that_comes_late_is_deleted_when_it_comes(at: Bench) -> None:
    pauses = Pauses()
    removals = Removals(at.calls, 2.0, pause=pauses)
    tasks = TaskOwner("test")
    tasks.spawn("removals", removals.run())
    removals.remember(NAME, (ATTEMPT, "a1"))
    await pauses.until(2)
    life = at.follow(await at.calls.create_pod(made("run-7")))
    await life.removed()
    await tasks.aclose()
    assert removals.pending == 0


async def test_who_does_not_know_pods_is_not_asked_for_ever(
    at: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each start that such a server refuses would be one more to ask for."""
    monkeypatch.setattr(removals_module, "LATE_CREATE_S", 0.0)
    at.api.faults.fail = (404, any_call)
    removals = Removals(at.calls, 2.0, pause=Pauses())
    tasks = TaskOwner("test")
    tasks.spawn("removals", removals.run())
    removals.remember(NAME, (ATTEMPT, "a1"))
    await until(lambda: not removals.pending)
    await tasks.aclose()


async def test_another_starts_pod_is_not_deleted_in_its_place(at: Bench) -> None:
    pod = await at.calls.create_pod(made("run-7", "another"))
    pauses = Pauses()
    removals = Removals(at.calls, 2.0, pause=pauses)
    tasks = TaskOwner("test")
    tasks.spawn("removals", removals.run())
    removals.remember(NAME, (ATTEMPT, "a1"))
    assert await removals.remove(pod.name, "a uid from before") is False
    await until(lambda: not removals.pending)
    await tasks.aclose()
    assert (await at.calls.get_pod(NAME)).uid == pod.uid

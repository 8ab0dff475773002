"""From a Pod's create to its address: it waits for room, for its node, for word of it; or never comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from orchestrator.runtime.kubernetes import allowance
from orchestrator.runtime.kubernetes.standing import Reachable
from orchestrator.runtime.port import EngineRefused, InstanceDied
from tests.kubernetes.kube_bench import Bench, bench, spec_of
from tests.kubernetes.kube_faults import any_call
from tests.kubernetes.kube_managers import Managers, managers_at
from tests.until import until

LIFE = "sidecar: deleted, both end on TERM"


@pytest.fixture
async def at() -> AsyncIterator[Bench]:
    async with bench() as one:
        yield one


@pytest.fixture
async def managers(at: Bench) -> AsyncIterator[Managers]:
    async with managers_at(at) as several:
        yield several


async def test_a_pod_that_no_node_has_room_for_is_waited_for(at: Bench, managers: Managers) -> None:
    """For as long as it takes: it is back-pressure, and no failure."""
    pods = managers.one()
    own = await pods.start(spec_of("run-7"))
    at.kubelet.live(own.life.pod.name, "unschedulable")
    await until(lambda: own.life.waits_for_room() is not None)
    reaching = asyncio.ensure_future(pods.reach(own, 3600.0))
    assert "Insufficient cpu" in await until(lambda: pods.room.why)
    at.kubelet.live(own.life.pod.name, LIFE, until=4, address="127.0.0.1")
    assert await reaching == "127.0.0.1"
    assert pods.room.why is None


async def test_nothing_is_made_that_an_older_start_waits_for(at: Bench, managers: Managers) -> None:
    """The scheduler would try it first. It goes on when the older has room, or does not want it any more."""
    pods = managers.one()
    own = await pods.start(spec_of("run-7"))
    at.kubelet.live(own.life.pod.name, "unschedulable")
    await until(lambda: own.life.waits_for_room() is not None)
    reaching = asyncio.ensure_future(pods.reach(own, 0.0))
    await until(lambda: pods.room.why)
    later = [asyncio.ensure_future(pods.start(spec_of(f"run-{number}"))) for number in (8, 9)]
    await until(lambda: len(pods.room.waiting) == 3)
    assert len(at.api.store.all("pods", "gv")) == 1
    reaching.cancel()
    assert [one.spec.name for one in await asyncio.gather(*later)] == ["run-8", "run-9"]


@pytest.mark.parametrize("status", [302, 401, 403, 503])
async def test_a_start_is_not_given_up_while_nobody_tells_how_it_is(
    at: Bench, managers: Managers, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    """A control plane that is replaced is away for minutes, its watches open; the Pod runs all the while."""
    monkeypatch.setattr(allowance, "LEAST_S", 0.01)
    pods = managers.one()
    own = await pods.start(spec_of("run-7"))
    await at.api.watching.until(2)
    at.api.faults.silent_watches = True
    at.api.faults.fail = (status, any_call)
    at.kubelet.live(own.life.pod.name, LIFE, until=4, address="127.0.0.1")
    reaching = asyncio.ensure_future(pods.reach(own, 0.01))
    asked = len(at.api.faults.seen)
    await until(lambda: reaching.done() or len(at.api.faults.seen) > asked + 3)
    assert not reaching.done()
    at.api.faults.fail = None
    assert await reaching == "127.0.0.1"


async def test_a_start_is_given_up_where_only_lists_are_answered(at: Bench, managers: Managers) -> None:
    """The right to watch may be missing, or something on the way cuts each watch: a list is word enough."""
    pods = managers.one()
    own = await pods.start(spec_of("run-7"))
    await at.api.watching.until(1)

    async def cutting() -> None:
        while True:
            await at.api.watching.until(1)
            at.api.watching.cut()
            await asyncio.sleep(0)

    cuts = asyncio.create_task(cutting())
    try:
        await until(lambda: pods.reflector.statistics().lists > 2)
        with pytest.raises(EngineRefused, match=r"did not start within 0\.05 s"):
            await pods.reach(own, 0.05)
    finally:
        cuts.cancel()


async def test_a_pod_that_is_gone_is_not_waited_for(at: Bench, managers: Managers) -> None:
    """Whatever the watch has told: it may have told nothing."""
    pods = managers.one()
    own = await pods.start(spec_of("run-7"))
    await at.api.watching.until(2)
    at.api.faults.silent_watches = True
    at.api.store.remove("pods", "gv", own.life.pod.name)
    with pytest.raises(InstanceDied):
        await pods.reach(own, 0.01)


async def test_a_pod_that_never_starts_is_deleted(at: Bench, managers: Managers) -> None:
    pods = managers.one()
    own = await pods.start(spec_of("run-7"))
    with pytest.raises(EngineRefused, match=r"did not start within 0\.01 s: the cluster does not say why"):
        await pods.reach(own, 0.01)
    assert at.api.store.all("pods", "gv") == []


async def test_a_start_is_also_waited_for_until_its_program_runs(at: Bench, managers: Managers) -> None:
    pods = managers.one()
    own = await pods.start(spec_of("run-7"))
    at.kubelet.live(own.life.pod.name, LIFE, until=4, address="127.0.0.1")
    await pods.reach(own, 3600.0)
    running = asyncio.ensure_future(pods.reach(own, 3600.0, runs=True))
    await until(lambda: isinstance(own.life.standing, Reachable))
    assert not running.done()
    at.kubelet.live(own.life.pod.name, LIFE, until=5, address="127.0.0.1")
    assert await running == "127.0.0.1"


async def test_a_pod_that_is_refused_is_deleted(at: Bench, managers: Managers) -> None:
    own = await managers.one(removal_wait=0.1).start(spec_of("run-7"))
    at.kubelet.live(own.life.pod.name, "image name invalid")
    reaching = asyncio.ensure_future(managers.all[-1].reach(own, 3600.0))
    await until(lambda: own.life.end is not None)
    at.kubelet.store.change("pods", "gv", own.life.pod.name, lambda pod: pod["spec"].pop("nodeName"))
    with pytest.raises(EngineRefused, match="InvalidImageName"):
        await reaching

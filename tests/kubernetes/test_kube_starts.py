"""Starts through the whole runtime: what its node turns away, and what is left of one that ends early."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from orchestrator.runtime.kubernetes.cluster import Cluster
from orchestrator.runtime.kubernetes.instance import PodInstance
from orchestrator.runtime.kubernetes.runtime import KubernetesRuntime
from orchestrator.runtime.kubernetes.stream_control import StreamControl
from orchestrator.runtime.port import Control, EngineRefused, EngineUnreachable, InstanceDied
from tests.kubernetes.kube_api import KubeApi
from tests.kubernetes.kube_bench import SETTINGS, Pauses, pod_name, spec_of
from tests.kubernetes.kube_connector_pod import listening
from tests.kubernetes.kube_kubelet import Kubelet
from tests.until import until

LIFE = "sidecar: deleted, both end on TERM"
CONNECTOR_RUNS, EXECUTOR_RUNS = 4, 5
NAME = pod_name("run-7")


@dataclass
class At:
    """`connector`: where that of every Pod listens."""

    api: KubeApi
    kubelet: Kubelet
    runtime: KubernetesRuntime
    pauses: Pauses
    connector: socket.socket

    @property
    def uids(self) -> list[str]:
        return [pod["metadata"]["uid"] for pod in self.api.store.all("pods", "gv")]

    async def starting(self) -> asyncio.Task[object]:
        """A start whose Pod is there."""
        start = asyncio.create_task(self.runtime.start(spec_of("run-7")))
        await until(lambda: self.uids)
        return start

    async def cancelled(self, start: asyncio.Task[object]) -> None:
        """It is, and its Pod, whose end its node tells of."""
        start.cancel()
        await until(lambda: "deletionTimestamp" in self.api.store.all("pods", "gv")[0]["metadata"])
        self.api.store.remove("pods", "gv", NAME)
        with pytest.raises(asyncio.CancelledError):
            await start


@pytest.fixture
async def at() -> AsyncIterator[At]:
    api, connector, pauses = KubeApi(), await listening(), Pauses()
    await api.start()
    settings = replace(SETTINGS, connector_port=connector.getsockname()[1])
    runtime = KubernetesRuntime(settings, Cluster(api.url, "gv"), pause=pauses)
    yield At(api, Kubelet(api.store), runtime, pauses, connector)
    await runtime.aclose()
    await api.aclose()
    connector.close()


async def test_a_pod_that_its_node_turns_away_makes_way_for_another(at: At) -> None:
    """As long as it takes, and it is said what for."""
    said = []
    at.pauses.each = lambda: said.append(at.runtime.statistics())
    start = await at.starting()
    for _ in range(3):
        (turned_away,) = at.uids
        at.kubelet.live(NAME, "kubelet refuses admission")
        await until(lambda uid=turned_away: at.uids and at.uids != [uid])  # type: ignore[misc]
    assert at.pauses.made == [1.0] * 3
    for one in said:
        assert "the node refused the Pod: OutOfcpu" in str(one.no_room)
        assert one.without_room == {"run-7"}
    # The newest is on its way, and needs nobody's room.
    await until(lambda: at.runtime.statistics().no_room is None)
    at.kubelet.live(NAME, LIFE, until=CONNECTOR_RUNS, address="127.0.0.1")
    await at.cancelled(start)


async def test_what_will_never_run_is_not_tried_again(at: At) -> None:
    start = await at.starting()
    at.kubelet.live(NAME, "image name invalid")
    await until(lambda: "deletionTimestamp" in (at.kubelet.store.get("pods", "gv", NAME) or {})["metadata"])
    at.kubelet.store.remove("pods", "gv", NAME)
    with pytest.raises(EngineRefused, match="InvalidImageName"):
        await start
    assert at.pauses.made == []


async def dialled(at: At) -> socket.socket:
    """The connection that is made while the Pod's program is still being started."""
    at.kubelet.live(NAME, LIFE, until=CONNECTOR_RUNS, address="127.0.0.1")
    taken, _ = await asyncio.get_running_loop().sock_accept(at.connector)
    return taken


def dials() -> bool:
    return any("dial run-7" in task.get_name() for task in asyncio.all_tasks())


async def test_a_cancelled_start_dials_no_more(at: At) -> None:
    start = await at.starting()
    taken = await dialled(at)
    assert dials()
    await at.cancelled(start)
    taken.close()
    await until(lambda: not dials())


async def test_a_start_that_fails_dials_no_more(at: At) -> None:
    start = await at.starting()
    taken = await dialled(at)
    at.api.store.remove("pods", "gv", NAME)
    with pytest.raises(InstanceDied):
        await start
    taken.close()
    await until(lambda: not dials())


async def test_one_that_ends_while_it_is_waited_for_is_waited_for_no_more(
    at: At, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its connector says nothing, and is not there any more the next time."""
    waited_for = asyncio.Event()
    dialled_for_good = PodInstance._dialled

    async def noted(self: PodInstance) -> Control:
        waited_for.set()
        return await dialled_for_good(self)

    monkeypatch.setattr(PodInstance, "_dialled", noted)
    start = await at.starting()
    at.kubelet.live(NAME, LIFE, until=EXECUTOR_RUNS, address="127.0.0.1")
    taken, _ = await asyncio.get_running_loop().sock_accept(at.connector)
    await waited_for.wait()
    at.api.store.remove("pods", "gv", NAME)
    with pytest.raises(InstanceDied):
        await start
    taken.close()
    await until(lambda: not dials())


async def test_a_connection_that_comes_as_the_wait_for_it_is_given_up_is_closed(at: At) -> None:
    """Its connector would take it for its manager's."""
    start = await at.starting()
    adopted = KubernetesRuntime(SETTINGS, Cluster(at.api.url, "gv"))
    instance = await adopted.adopt(spec_of("run-7"))
    assert instance is not None
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    came: asyncio.Future[StreamControl] = asyncio.get_running_loop().create_future()
    waiting = asyncio.create_task(instance._while_it_lives(came))
    await asyncio.sleep(0)
    came.set_result(StreamControl(*await asyncio.open_connection(sock=ours)))
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await asyncio.get_running_loop().sock_recv(theirs, 1) == b""
    theirs.close()
    instance.let_go()
    await adopted.aclose()
    start.cancel()
    with pytest.raises(asyncio.CancelledError):
        await start


async def test_a_start_that_is_refused_while_its_connector_is_dialled_is_nobodys_fault(at: At) -> None:
    with capture_logs() as logs:
        start = await at.starting()
        at.kubelet.live(NAME, LIFE, until=CONNECTOR_RUNS, address="127.0.0.1")
        await until(dials)
        at.api.store.change("pods", "gv", NAME, _without_image)
        taken, _ = await asyncio.get_running_loop().sock_accept(at.connector)
        at.api.store.remove("pods", "gv", NAME)
        with pytest.raises(EngineRefused, match="InvalidImageName"):
            await start
        taken.close()
    assert "task_failed" not in [line["event"] for line in logs]


def _without_image(pod: dict[str, Any]) -> None:
    for one in pod["status"]["containerStatuses"]:
        one["state"] = {"waiting": {"reason": "InvalidImageName", "message": "x"}}


@pytest.mark.parametrize("status", [401, 403, 503])
async def test_a_server_that_one_call_did_not_find_is_asked_again_at_once(at: At, status: int) -> None:
    """A manager that is not ready makes no other call, and a quiet cluster says nothing for a minute."""
    await at.runtime.sweep(frozenset())
    # Each time, however soon after the last: it costs one small question.
    for watches in range(1, 4):
        await at.api.watching.until(watches)
        await until(at.runtime.reachable)
        at.api.faults.fail = (status, lambda method, path: method == "GET")
        failed = asyncio.create_task(at.runtime.sweep(frozenset()))
        await until(lambda: not at.runtime.reachable())
        # A token that is not taken is tried twice: not before the second may it be taken.
        with pytest.raises(EngineUnreachable):
            await failed
        at.api.faults.fail = None
    await until(at.runtime.reachable)
    assert SETTINGS.removal_wait not in at.pauses.made

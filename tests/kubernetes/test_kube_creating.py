"""A Pod is created once, whatever becomes of the answers."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from orchestrator.runtime.kubernetes.creating import TRIES, create_once
from orchestrator.runtime.kubernetes.pods import Pod
from orchestrator.runtime.port import EngineRefused, EngineUnreachable
from tests.kubernetes.kube_bench import ATTEMPT, OURS, Bench, Pauses, bench, made, pod_name

NAME = pod_name("run-7")


@pytest.fixture
async def at() -> AsyncIterator[Bench]:
    async with bench() as one:
        yield one


async def create(at: Bench, pause: Pauses, attempt: str = "a1") -> Pod:
    return await create_once(
        at.calls, made("run-7", attempt), name=NAME, ours=OURS, attempt=(ATTEMPT, attempt), pause=pause
    )


def is_create(method: str, path: str) -> bool:
    return method == "POST"


def creates(at: Bench) -> int:
    return sum(is_create(*call) for call in at.api.faults.seen)


async def test_a_create_whose_answer_was_lost_is_found_again(at: Bench) -> None:
    at.api.faults.lose_reply = is_create
    pod = await create(at, Pauses())
    assert [value["metadata"]["uid"] for value in at.api.store.all("pods", "gv")] == [pod.uid]
    assert creates(at) == 2


async def test_a_create_that_was_lost_before_it_was_done_is_done(at: Bench) -> None:
    at.api.faults.away = True

    def back() -> None:
        at.api.faults.away = False

    pod = await create(at, Pauses(back))
    assert pod.name == NAME


async def test_a_server_that_does_not_answer_is_given_up(at: Bench) -> None:
    at.api.faults.fail = (503, is_create)
    pauses = Pauses()
    with pytest.raises(EngineUnreachable):
        await create(at, pauses)
    assert (creates(at), len(pauses.made)) == (TRIES, TRIES - 1)


async def test_a_busy_server_is_waited_for_as_it_asks(at: Bench) -> None:
    at.api.faults.busy = 1
    pauses = Pauses()
    await create(at, pauses)
    assert pauses.made == [1.0]


async def test_a_used_up_quota_is_waited_for(at: Bench) -> None:
    quota = {"metadata": {"name": "rq"}, "spec": {"hard": {"pods": "1"}}}
    at.api.store.add("resourcequotas", "gv", quota)
    other = await at.calls.create_pod(made("other"))
    whys: list[str] = []
    pauses = Pauses(*[lambda: None] * 9, lambda: at.api.store.remove("pods", "gv", other.name))
    pod = await create_once(
        at.calls,
        made("run-7"),
        name=NAME,
        ours=OURS,
        attempt=(ATTEMPT, "a1"),
        on_no_room=whys.append,
        pause=pauses,
    )
    assert pod.name == NAME
    assert len(whys) == 10
    assert "exceeded quota: rq" in whys[0]


async def test_what_is_wrong_with_a_pod_is_said_at_once(at: Bench) -> None:
    at.api.store.change(
        "namespaces", "", "gv", lambda value: value["metadata"].update(deletionTimestamp="now")
    )
    with pytest.raises(EngineRefused, match="is being terminated"):
        await create(at, Pauses())
    assert creates(at) == 1


async def test_an_earlier_starts_pod_makes_way(at: Bench) -> None:
    earlier = await create(at, Pauses(), "earlier")
    pod = await create(at, Pauses())
    assert (pod.name, pod.labels[ATTEMPT]) == (NAME, "a1")
    assert pod.uid != earlier.uid


async def test_a_name_that_is_being_deleted_is_waited_for(at: Bench) -> None:
    earlier = await create(at, Pauses(), "earlier")
    at.kubelet.live(NAME, "sidecar: deleted, both end on TERM", until=5)
    await at.calls.delete_pod(NAME, earlier.uid, grace=1)
    pod = await create(at, Pauses(lambda: at.api.store.remove("pods", "gv", NAME)))
    assert pod.labels[ATTEMPT] == "a1"


async def test_somebody_elses_pod_is_left_alone(at: Bench) -> None:
    other = {
        "kind": "Pod",
        "metadata": {"name": NAME, "labels": {}},
        "spec": {"containers": []},
        "status": {"phase": "Running"},
    }
    at.api.store.add("pods", "gv", other)
    with pytest.raises(EngineRefused, match="taken by somebody else"):
        await create(at, Pauses())
    assert at.api.store.get("pods", "gv", NAME) is not None

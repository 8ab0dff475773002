"""A Pod is created once, whatever becomes of the answers."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from orchestrator.runtime.kubernetes.creating import TRIES, Creation
from orchestrator.runtime.kubernetes.pods import Pod
from orchestrator.runtime.port import EngineRefused, EngineUnreachable
from tests.kubernetes.kube_bench import ATTEMPT, OURS, Bench, Pauses, bench, made, pod_name

NAME = pod_name("run-7")


@pytest.fixture
async def at() -> AsyncIterator[Bench]:
    async with bench() as one:
        yield one


def creation(at: Bench, pause: Pauses, attempt: str = "a1") -> Creation:
    return Creation(at.calls, made("run-7", attempt), NAME, OURS, (ATTEMPT, attempt), pause=pause)


async def create(at: Bench, pause: Pauses, attempt: str = "a1") -> Pod:
    return await creation(at, pause, attempt).pod()


def quota(at: Bench, **hard: str) -> None:
    at.api.store.add("resourcequotas", "gv", {"metadata": {"name": "rq"}, "spec": {"hard": hard}})


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


@pytest.mark.parametrize(
    ("status", "tries", "in_doubt", "ends_the_run"),
    [(401, 2 * TRIES, False, False), (403, TRIES, True, True)],
)
async def test_a_page_in_the_servers_stead_is_given_up(
    at: Bench, status: int, tries: int, in_doubt: bool, ends_the_run: bool
) -> None:
    """Who does not know us has not done it; that a proxy forbids something may be said after it was done."""
    at.api.faults.fail = (status, is_create)
    making = creation(at, Pauses())
    with pytest.raises(EngineRefused if ends_the_run else EngineUnreachable, match="out of order"):
        await making.pod()
    assert (creates(at), making.in_doubt) == (tries, in_doubt)


async def test_a_create_whose_answer_cannot_be_read_stays_in_doubt(at: Bench) -> None:
    """What a proxy on the way may say; the run that waits for it learns of that."""
    at.api.faults.fail = (200, is_create)
    making = creation(at, Pauses())
    with pytest.raises(EngineRefused, match="not JSON"):
        await making.pod()
    assert making.in_doubt
    assert creates(at) == TRIES


async def test_one_answer_that_cannot_be_read_is_no_refusal(at: Bench) -> None:
    """The server was away until then: who waits for the run's Pod goes on asking."""
    at.api.faults.fail = (503, is_create)

    def answered() -> None:
        at.api.faults.fail = (200, is_create)

    making = creation(at, Pauses(lambda: None, lambda: None, answered))
    with pytest.raises(EngineUnreachable, match="not JSON"):
        await making.pod()
    assert creates(at) == TRIES


async def test_a_busy_server_is_waited_for_as_it_asks(at: Bench) -> None:
    at.api.faults.busy = 1
    pauses = Pauses()
    await create(at, pauses)
    assert pauses.made == [1.0]


async def test_a_used_up_quota_is_waited_for(at: Bench) -> None:
    quota(at, pods="1")
    other = await at.calls.create_pod(made("other"))
    whys: list[str | None] = []
    making = creation(at, Pauses(*[lambda: None] * 9, lambda: at.api.store.remove("pods", "gv", other.name)))
    making.on_no_room = whys.append
    assert (await making.pod()).name == NAME
    assert len(whys) == 10
    assert "exceeded quota: rq" in str(whys[0])


async def test_a_busy_server_has_not_said_that_there_is_room(at: Bench) -> None:
    """Those in line behind a start that waits for a quota would all come at once, and make it busier."""
    quota(at, pods="1")
    other = await at.calls.create_pod(made("other"))

    def busy() -> None:
        at.api.faults.busy = 1

    whys: list[str | None] = []
    making = creation(at, Pauses(busy, lambda: at.api.store.remove("pods", "gv", other.name)))
    making.on_no_room = whys.append
    await making.pod()
    assert len(whys) == 2
    assert whys[0] == whys[1]
    assert "exceeded quota: rq" in str(whys[1])


@pytest.mark.parametrize("kind", ["requests.cpu", "requests.memory", "limits.cpu", "limits.memory"])
async def test_a_quota_on_what_pods_use_lets_them_in(kind: str, at: Bench) -> None:
    """It refuses a Pod with a container that does not say how much, whatever room there is."""
    quota(at, **{kind: "100Gi"})
    pauses = Pauses()
    assert (await create(at, pauses)).name == NAME
    assert pauses.made == []


async def test_a_quota_that_our_own_unanswered_pod_uses_up_is_no_wait(at: Bench) -> None:
    quota(at, pods="1")
    at.api.faults.lose_reply = is_create

    def no_more() -> None:
        pytest.fail("it waits for itself")

    pod = await create(at, Pauses(lambda: None, no_more))
    assert [value["metadata"]["uid"] for value in at.api.store.all("pods", "gv")] == [pod.uid]
    assert creates(at) == 2


async def test_what_is_forbidden_since_an_unanswered_create_is_there_all_the_same(at: Bench) -> None:
    at.api.faults.lose_reply = is_create
    pod = await create(at, Pauses(lambda: quota(at, **{"limits.ephemeral-storage": "10Gi"})))
    assert pod.labels[ATTEMPT] == "a1"


async def test_a_refusal_says_whether_a_pod_may_come_all_the_same(at: Bench) -> None:
    """The first create's answer was lost with the Pod; the second is forbidden, and the name is free."""
    at.api.faults.away = True

    def back() -> None:
        at.api.faults.away = False
        quota(at, **{"limits.ephemeral-storage": "10Gi"})

    making = creation(at, Pauses(back))
    with pytest.raises(EngineRefused, match="failed quota"):
        await making.pod()
    assert making.in_doubt
    at_once = creation(at, Pauses())
    with pytest.raises(EngineRefused, match="failed quota"):
        await at_once.pod()
    assert not at_once.in_doubt


async def test_a_server_that_lets_nobody_in_is_waited_for_as_room_is(at: Bench) -> None:
    at.api.faults.busy = 3 * TRIES
    whys: list[str | None] = []
    pauses = Pauses()
    making = creation(at, pauses)
    making.on_no_room = whys.append
    await making.pod()
    assert len(pauses.made) == 3 * TRIES
    assert set(whys) == {"429: Too many requests, please try again later."}


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

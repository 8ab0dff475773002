"""Which time counts of a Pod's start: in which the API server tells how it is, not what it is away."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest

from orchestrator.runtime.kubernetes.allowance import PIECE_S, settle
from orchestrator.runtime.kubernetes.life import Life
from orchestrator.runtime.kubernetes.pods import Pod, pod_of
from tests.jumping_clock import played
from tests.kubernetes.kube_vectors import lives


def told(life: str) -> Pod:
    """A Pod at the first word of it that says something."""
    event = next(event for event in lives()[life] if event["status"].get("conditions"))
    metadata = {"name": "p", "uid": "u", "resourceVersion": "1"}
    return pod_of({"metadata": metadata, "status": event["status"]})


STARTING, WITHOUT_ROOM = told("sidecar: deleted, both end on TERM"), told("unschedulable")


class Server:
    """Says one after another whether it is there, each after `takes` seconds; `asked`: when it was."""

    def __init__(self, answers: Iterable[bool] = (), takes: float = 0.0) -> None:
        self.asked: list[float] = []
        self._answers = iter(answers)
        self._takes = takes

    async def __call__(self) -> bool:
        self.asked.append(asyncio.get_running_loop().time())
        await asyncio.sleep(self._takes)
        return next(self._answers, True)


async def given_up(seconds: float, server: Server, chance: float = 1.0) -> float:
    """When a start is that may take so many seconds, and of which nothing is told."""
    with pytest.raises(TimeoutError):
        await settle(Life(STARTING), seconds, say=lambda why: None, ask=server, chance=lambda: chance)
    return asyncio.get_running_loop().time()


def test_a_start_ends_when_its_time_is_over_and_the_server_says_nothing_new() -> None:
    server = Server()
    assert played(given_up(40, server)) == pytest.approx(40)
    assert server.asked == pytest.approx([15, 30, 40])


def test_starts_of_one_moment_do_not_ask_in_one() -> None:
    one, other = Server(), Server()
    played(given_up(10, one, chance=0.0))
    played(given_up(10, other, chance=0.2))
    assert one.asked == pytest.approx([7.5, 10])
    assert other.asked == pytest.approx([9, 10])


def test_what_the_server_was_away_does_not_count() -> None:
    server = Server([False] * 20)
    assert played(given_up(40, server)) == pytest.approx(20 * PIECE_S + 40)


def test_how_long_an_answer_takes_does_not_count() -> None:
    server = Server(takes=9.5)
    assert played(given_up(40, server)) == pytest.approx(40 + 3 * 9.5)


def test_a_question_is_not_given_up_before_it_has_an_answer() -> None:
    """Its own time-out is how it is noticed that the server is away: packets may be dropped."""
    server = Server(takes=3600)
    assert played(given_up(10, server)) == pytest.approx(10 + 3600)
    assert len(server.asked) == 1


def test_a_start_whose_time_is_over_has_some_more_after_the_server_was_away() -> None:
    """More and more of it, while it is away, up to a piece."""
    server = Server([False] * 6)
    assert played(given_up(0.5, server)) == pytest.approx(0.5 + 1 + 2 + 4 + 8 + 15 + 15)
    assert server.asked == pytest.approx([0.5, 1.5, 3.5, 7.5, 15.5, 30.5, 45.5])


def test_a_server_that_was_back_is_asked_soon_when_it_is_away_again() -> None:
    server = Server([False, False, False, True, False])
    played(given_up(16, server))
    assert server.asked == pytest.approx([15, 30, 45, 60, 61, 62])


def test_who_is_asked_and_says_nothing_is_not_waited_for_when_the_watch_has_told() -> None:
    async def work() -> tuple[list[str | None], float]:
        life, said, server = Life(STARTING), list[str | None](), Server(takes=3600)
        loop = asyncio.get_running_loop()
        # The first two say nothing that would settle it, so that the question goes on.
        loop.call_at(20, life.see, STARTING)
        loop.call_at(22, life.see, WITHOUT_ROOM)
        loop.call_at(25, life.lose, STARTING)
        await settle(life, 10, say=said.append, ask=server)
        assert len(server.asked) == 1
        return said, loop.time()

    said, at = played(work())
    assert at == pytest.approx(25)
    # It is in the line for room from the first word on.
    assert said[:-1] == [None, None, None]
    assert "Insufficient cpu" in str(said[-1])


def test_a_word_counts_from_the_moment_in_which_somebody_waits_for_one() -> None:
    async def work() -> None:
        life = Life(STARTING)
        word = life.changed()
        life.see(STARTING)
        await word

    played(work())


def test_what_waits_for_room_takes_no_time_of_its_start() -> None:
    async def work() -> tuple[list[str | None], float]:
        life, said = Life(WITHOUT_ROOM), list[str | None]()
        asyncio.get_running_loop().call_at(1000, life.see, STARTING)
        with pytest.raises(TimeoutError):
            await settle(life, 5, say=said.append, ask=Server())
        return said, asyncio.get_running_loop().time()

    said, at = played(work())
    assert at == pytest.approx(1005)
    assert "Insufficient cpu" in str(said[0])
    assert said[-1] is None

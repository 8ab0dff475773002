"""Which time counts of a Pod's start: in which the API server tells how it is, not what it is away."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest

from orchestrator.runtime.kubernetes import allowance
from orchestrator.runtime.kubernetes.allowance import settle
from orchestrator.runtime.kubernetes.life import Life
from orchestrator.runtime.kubernetes.pods import Pod, pod_of
from tests.kubernetes.kube_vectors import lives

ABOVE = 0.05
"""Seconds that a start may take here."""


class Server:
    """Says one after another whether it is there; `then` is done at each question."""

    def __init__(self, answers: Iterable[bool]) -> None:
        self.asked = 0
        self._answers = iter(answers)

    async def __call__(self) -> bool:
        self.asked += 1
        return next(self._answers, True)


def told(life: str) -> Pod:
    """A Pod at the first word of it that says something."""
    event = next(event for event in lives()[life] if event["status"].get("conditions"))
    metadata = {"name": "p", "uid": "u", "resourceVersion": "1"}
    return pod_of({"metadata": metadata, "status": event["status"]})


STARTING, WITHOUT_ROOM = told("sidecar: deleted, both end on TERM"), told("unschedulable")


async def settled(life: Life, seconds: float, server: Server) -> None:
    await settle(life, seconds, say=lambda why: None, ask=server)


@pytest.fixture(autouse=True)
def short_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allowance, "PIECE_S", ABOVE / 5)
    monkeypatch.setattr(allowance, "LEAST_S", ABOVE / 5)


async def test_a_start_ends_when_its_time_is_over_and_the_server_says_nothing_new() -> None:
    server = Server([])
    with pytest.raises(TimeoutError):
        await settled(Life(STARTING), ABOVE, server)
    assert server.asked


async def test_what_the_server_was_away_does_not_count() -> None:
    """Away for at least twice as long as a start may take."""
    server = Server([False] * 20)
    with pytest.raises(TimeoutError):
        await settled(Life(STARTING), ABOVE, server)
    assert server.asked > 20


async def test_who_is_asked_and_says_nothing_is_not_waited_for_when_the_watch_has_told() -> None:
    life, asked, given_up = Life(STARTING), asyncio.Event(), asyncio.Event()

    async def silent() -> bool:
        asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            given_up.set()
        return True

    settling = asyncio.ensure_future(settle(life, ABOVE, say=lambda why: None, ask=silent))
    await asked.wait()
    life.see(STARTING)
    await asyncio.sleep(0)
    assert not given_up.is_set()
    life.lose(STARTING)
    await settling
    assert given_up.is_set()


async def test_a_question_is_not_given_up_before_it_has_an_answer() -> None:
    """Its own time-out is how it is noticed that the server is away: packets may be dropped."""
    begun, answer = asyncio.Event(), asyncio.Event()
    answers: list[bool] = []

    async def slow() -> bool:
        begun.set()
        await answer.wait()
        answers.append(True)
        return True

    settling = asyncio.ensure_future(settle(Life(STARTING), ABOVE, say=lambda why: None, ask=slow))
    await begun.wait()
    asyncio.get_running_loop().call_later(2 * ABOVE, answer.set)
    with pytest.raises(TimeoutError):
        await settling
    assert answers


async def test_a_start_whose_time_is_over_has_some_more_after_the_server_was_away() -> None:
    server = Server([False] * 3)
    with pytest.raises(TimeoutError):
        await settled(Life(STARTING), 1e-6, server)
    assert server.asked > 3


async def test_what_waits_for_room_takes_no_time_of_its_start() -> None:
    life, said, server = Life(WITHOUT_ROOM), asyncio.Queue[str | None](), Server([])
    waiting = asyncio.ensure_future(settle(life, 0.0, say=said.put_nowait, ask=server))
    assert "Insufficient cpu" in str(await said.get())
    life.see(STARTING)
    with pytest.raises(TimeoutError):
        await waiting
    assert (said.get_nowait(), server.asked) == (None, 0)

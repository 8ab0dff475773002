"""A lease ends here before it does in the database, and nothing is begun in its last third."""

from __future__ import annotations

import asyncio

import pytest

from orchestrator.cluster.lease import Lease


class Now:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.mark.parametrize(
    ("age", "leads", "lasts"),
    [(0.0, True, True), (9.9, True, True), (10.0, False, True), (14.9, False, True), (15.0, False, False)],
)
def test_what_may_be_done_by_its_age(age: float, leads: bool, lasts: bool) -> None:
    now = Now()
    lease = Lease(15.0, now)
    lease.renew(now())
    now.seconds += age
    assert (lease.leads, lease.lasts) == (leads, lasts)


def test_before_it_is_renewed_nothing_is_held() -> None:
    assert not Lease(15.0, Now()).lasts


def test_it_counts_from_before_the_database_was_asked() -> None:
    now = Now()
    lease = Lease(15.0, now)
    asked_at = lease.now()
    now.seconds += 11.0
    lease.renew(asked_at)
    assert not lease.leads


async def test_what_waits_for_it_goes_on_with_the_next_renewal() -> None:
    now = Now()
    lease = Lease(15.0, now)
    waiting = asyncio.create_task(lease.held())
    await asyncio.sleep(0)
    assert not waiting.done()
    lease.renew(now())
    await waiting

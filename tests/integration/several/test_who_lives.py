"""Who the other managers are that are asked for what only they know."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

from orchestrator.api.members.passing import Passing
from orchestrator.api.members.proof import Proof
from orchestrator.api.members.standing import PassedOrders
from orchestrator.cluster.lease import Lease
from orchestrator.cluster.member import ClusterMember
from orchestrator.runtime.port import Runtime
from orchestrator.store.members import Joining, Place
from orchestrator.store.shared import open_shared_journal
from tests.unit.executions.heart_stage import Stage

LEASE = 60.0


async def joined(held: AsyncExitStack, url: str, name: str, folder: Path) -> Passing:
    """A manager that has joined, and has not renewed its lease since."""
    who = Joining(name, f"http://{name}", Place("engine", str(folder)), LEASE, 8)
    journal, membership = await open_shared_journal(url, who)
    held.push_async_callback(journal.aclose)
    held.push_async_callback(membership.aclose)

    async def no_place(home: str, place: Place) -> Runtime:
        raise AssertionError("nobody is taken over from")

    member = ClusterMember(
        membership=membership,
        lease=Lease(LEASE),
        executions=Stage().executions,
        open_place=no_place,
        recovered=asyncio.Event(),
        fenced=lambda: None,
    )
    passing = Passing(member, Proof(b"a secret that all of them have"))
    held.push_async_callback(passing.aclose)
    return passing


async def test_one_that_joined_since_the_last_beat_is_asked(database: str, tmp_path: Path) -> None:
    async with AsyncExitStack() as held:
        first = await joined(held, database, "first", tmp_path)
        await joined(held, database, "later", tmp_path)
        assert [one.id for one in first.member.others] == []
        assert [one.id for one in await PassedOrders(first).living()] == ["later"]

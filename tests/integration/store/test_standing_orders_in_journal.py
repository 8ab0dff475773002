"""Orders for all managers as the journal takes them: numbered, one after the other, and of members only."""

from __future__ import annotations

import asyncio

import pytest

from orchestrator.store.members import Joining, Place, Usage
from orchestrator.store.port import StoreFenced
from orchestrator.store.shared import open_shared_journal
from orchestrator.store.standing_orders import StandingOrder

WANTED = StandingOrder(wanted=True, by_default=True)


def joining(name: str) -> Joining:
    return Joining(name, f"http://{name}:3999", Place("engine", f"/state/{name}"), 60.0, 8)


async def test_orders_are_numbered_and_fenced(database: str) -> None:
    journal, one = await open_shared_journal(database, joining("one"))
    other_journal, other = await open_shared_journal(database, joining("other"))
    assert await one.orders() == {}
    at_once = await asyncio.gather(*(who.give_order("llm", WANTED) for who in (one, other) * 3))
    assert sorted(number or 0 for number in at_once) == [1, 2, 3, 4, 5, 6]
    assert await one.give_order("llm", StandingOrder(), since=5) is None
    assert await one.give_order("llm", StandingOrder(), since=6) == 7
    assert await other.give_order("web", WANTED, since=0) == 1
    stands = await other.orders()
    assert stands["llm"] == StandingOrder(revision=7, manager="one")
    assert stands["web"] == StandingOrder(revision=1, wanted=True, by_default=True, manager="other")
    assert (await one.renew(Usage(0, 0))).orders == 8

    # The same manager has joined anew: what is left of its former life orders nothing.
    anew_journal, anew = await open_shared_journal(database, joining("one"))
    with pytest.raises(StoreFenced):
        await one.give_order("llm", WANTED)
    assert anew.at_first.orders == 8
    for opened in (journal, one, other_journal, other, anew_journal, anew):
        await opened.aclose()

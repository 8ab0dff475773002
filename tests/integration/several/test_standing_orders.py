"""What one manager is told about modules holds for all: those that are away, and those that come later."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path

import pytest

from genvm_wire.module_messages import ModuleResume
from orchestrator.cluster.knowledge import Knowledge, KnownConfiguration, NotToBeHad
from orchestrator.cluster.standing_orders import AWAY, LOST
from orchestrator.modules.configuration import StartRequest
from orchestrator.modules.failures import AlreadyRunning, BadConfiguration
from orchestrator.modules.kinds import ModuleKind
from orchestrator.runtime.port import EngineRefused
from orchestrator.store.port import StoreUnavailable
from tests.integration.several.order_bench import LLM, Manager, Site, Unanswered, order_site
from tests.until import until

ONE, OTHER = StartRequest({"tag": "one"}), StartRequest({"tag": "other"})


@pytest.fixture
async def orders(tmp_path: Path, database: str) -> AsyncIterator[Site]:
    async with order_site(tmp_path, database) as made:
        yield made


def tags(*managers: Manager) -> list[object]:
    return [None if (config := one.config()) is None else config.get("tag") for one in managers]


async def test_an_order_is_everybody_s_when_it_is_answered(orders: Site) -> None:
    a, b = await orders.join("a"), await orders.join("b")
    await a.orders.start(LLM, ONE)
    assert tags(a, b) == ["one", "one"]
    await b.orders.restart(LLM, OTHER)
    assert tags(a, b) == ["other", "other"]
    with pytest.raises(AlreadyRunning):
        await a.orders.start(LLM, ONE)
    assert await a.orders.stop(LLM)
    assert tags(a, b) == [None, None]
    assert not await b.orders.stop(LLM)


async def test_who_joins_later_has_modules_and_variables_of_those_that_are_there(orders: Site) -> None:
    a = await orders.join("a")
    await a.orders.set_variable("TAG", "of the environment")
    await a.orders.start(LLM, StartRequest({"tag": "${ENV[TAG]}"}, allow_empty_backends=True))
    b = await orders.join("b")
    assert b.orders.trouble() is not None
    b.orders.begin()
    await until(lambda: b.orders.trouble() is None)
    assert tags(a, b) == ["of the environment"] * 2
    assert b.llm.entry.allow_empty_backends
    # From who was told by another one, once that is gone.
    orders.killed("a")
    c = await orders.join("c")
    assert await c.orders.follow(LLM)
    assert tags(c) == ["of the environment"]


@pytest.mark.parametrize("order", ["restart", "stop"])
async def test_who_was_away_follows_when_it_hears_of_it(orders: Site, order: str) -> None:
    a, b = await orders.join("a"), await orders.join("b")
    await a.orders.start(LLM, ONE)
    b.orders.begin()
    await until(lambda: b.orders.trouble() is None)
    orders.cut.add("b")
    await (a.orders.stop(LLM) if order == "stop" else a.orders.restart(LLM, OTHER))
    assert tags(b) == ["one"]
    b.orders.look(2)
    wanted = tags(a)
    await until(lambda: tags(b) == wanted)


@pytest.mark.parametrize("order", ["start", "restart"])
async def test_of_two_orders_at_the_same_moment_one_stands(orders: Site, order: str) -> None:
    a, b = await orders.join("a"), await orders.join("b")
    at_once = (getattr(a.orders, order)(LLM, ONE), getattr(b.orders, order)(LLM, OTHER))
    failures = [one for one in await asyncio.gather(*at_once, return_exceptions=True) if one is not None]
    assert [type(failure) for failure in failures] == ([AlreadyRunning] if order == "start" else [])
    assert tags(a) == tags(b)
    assert a.llm.goes_by == b.llm.goes_by == (await a.membership.orders())[LLM].revision


async def test_one_that_cannot_follow_says_why_and_tries_again(orders: Site) -> None:
    a, b = await orders.join("a"), await orders.join("b")
    b.runtime.refusals = 1
    await a.orders.start(LLM, ONE)
    assert (tags(a, b), b.llm.trouble) == (["one", None], "no image module:1")
    assert b.modules.is_missing(LLM)
    assert await b.orders.follow(LLM)
    assert (tags(b), b.llm.trouble, b.modules.is_missing(LLM)) == (["one"], "", False)


async def test_what_cannot_be_started_here_is_nobody_s_order(orders: Site) -> None:
    a, b = await orders.join("a"), await orders.join("b")
    await a.orders.start(LLM, ONE)
    with pytest.raises(BadConfiguration):
        await a.orders.restart(LLM, StartRequest({"tag": "${nonsense}"}))
    a.runtime.refusals = 1
    with pytest.raises(EngineRefused):
        await a.orders.restart(LLM, OTHER)
    assert tags(a, b) == ["one", "one"]
    assert (await a.membership.orders())[LLM].revision == 1


async def test_a_client_that_leaves_before_it_serves_has_ordered_nothing(orders: Site) -> None:
    a, b = await orders.join("a"), await orders.join("b")
    a.runtime.held = asyncio.Event()
    starting = asyncio.create_task(a.orders.start(LLM, ONE))
    await until(lambda: a.runtime.attempts == 1)
    starting.cancel()
    await asyncio.wait([starting])
    assert await a.membership.orders() == {}
    assert tags(a, b) == [None, None]


async def restarted(orders: Site, manager: Manager) -> Manager:
    """The same manager in a new process: its instance has gone on, and connects to it."""
    assert manager.llm.current is not None
    name = manager.llm.current.name
    orders.killed(manager.name)
    await manager.modules.detach()
    instance = manager.runtime.instances[name]
    instance.connect_with(ModuleResume("llm", "1", 1, ()))
    return await orders.join(manager.name)


async def test_what_is_adopted_is_in_line_and_learns_its_configuration(orders: Site) -> None:
    a, b = await orders.join("a"), await orders.join("b")
    await a.orders.start(LLM, ONE)
    again = await restarted(orders, a)
    assert await again.orders.follow(LLM)
    assert (again.runtime.attempts, b.runtime.attempts) == (1, 1)
    assert again.llm.can_come_back


async def test_what_was_ordered_meanwhile_takes_the_place_of_what_is_adopted(orders: Site) -> None:
    a, b = await orders.join("a"), await orders.join("b")
    await a.orders.start(LLM, ONE)
    orders.killed("a")
    await b.orders.restart(LLM, OTHER)
    orders.managers["a"] = a
    again = await restarted(orders, a)
    assert tags(again) == ["one"]
    assert await again.orders.follow(LLM)
    assert tags(again) == ["other"]


async def test_a_configuration_that_nobody_has_any_more_is_asked_for_again(orders: Site) -> None:
    a = await orders.join("a")
    await a.orders.start(LLM, ONE)
    orders.killed("a")
    b, c = await orders.join("b"), await orders.join("c")
    orders.cut.add("c")
    assert not await b.orders.follow(LLM)
    assert (b.llm.trouble, b.modules.is_missing(LLM)) == (AWAY, True)
    with pytest.raises(NotToBeHad):
        await b.orders.start(LLM, OTHER)
    orders.cut.clear()
    assert not await b.orders.follow(LLM)
    assert (b.llm.trouble, b.modules.is_missing(LLM)) == (LOST, False)
    await b.orders.start(LLM, OTHER)
    assert tags(b, c) == ["other", "other"]


async def test_an_order_that_the_journal_took_without_an_answer_stands(orders: Site) -> None:
    a, b = await orders.join("a", Unanswered), await orders.join("b")
    journal = a.orders._journal
    assert isinstance(journal, Unanswered)
    journal.losing = True
    with pytest.raises(StoreUnavailable):
        await a.orders.start(LLM, ONE)
    with pytest.raises(StoreUnavailable):
        await a.orders.set_variable("TAG", "x")
    assert tags(a) == [None]
    journal.losing = False
    assert await a.orders.follow(LLM)
    assert await b.orders.follow(LLM)
    assert tags(a, b) == ["one", "one"]
    assert b.orders.knowledge().variables == {"TAG": "x"}


async def test_values_of_variables_go_by_the_journal_s_order(orders: Site) -> None:
    a, b = await orders.join("a"), await orders.join("b")
    at_once: list[Awaitable[None]] = [
        manager.orders.set_variable(name, manager.name) for name in ("ONE", "SAME") for manager in (a, b)
    ]
    await asyncio.gather(*at_once)
    assert dict(a.orders.knowledge().variables) == dict(b.orders.knowledge().variables)
    c = await orders.join("c")
    await c.orders.set_variable("LAST", "c")
    for manager in (a, b, c):
        assert set(manager.orders.knowledge().variables) == {"ONE", "SAME", "LAST"}


async def test_a_module_of_before_the_first_order_is_left_alone(orders: Site) -> None:
    """It was started by a version that knew of no orders for all."""
    a = await orders.join("a")
    await a.modules.start(LLM, ONE)
    assert await a.orders.follow(LLM)
    assert tags(a) == ["one"]
    with pytest.raises(AlreadyRunning):
        await a.orders.start(LLM, OTHER)
    assert await a.orders.stop(LLM)
    assert tags(a) == [None]


async def test_a_lost_module_comes_back_from_another_manager_s_memory(orders: Site) -> None:
    """Adopted without its configuration, it has ended before anybody could be asked."""
    a, b = await orders.join("a"), await orders.join("b")
    await a.orders.start(LLM, ONE)
    orders.cut.add("b")
    again = await restarted(orders, a)
    again.orders.begin()
    await until(lambda: again.orders.trouble() is None)
    again.runtime.instances["llm-1"].end()
    await until(lambda: again.llm.is_lost)
    orders.cut.clear()
    again.orders.look(1)
    await until(lambda: tags(again) == ["one"])
    assert tags(b) == ["one"]


def test_nothing_that_is_known_is_shown() -> None:
    known = Knowledge({ModuleKind.LLM: KnownConfiguration(1, {"key": "s3cret"})}, {"KEY": "s3cret"}, 1)
    assert "s3cret" not in repr(known)

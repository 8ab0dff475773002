"""Who gets which instance, and what it is then."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from genvm_wire.instance_messages import Ack, Finishing, from_instance
from orchestrator.runtime.port import ChannelClosed, EngineRefused, Role
from tests.hand_clock import settle
from tests.unit.runtime.pool.scripted_runtime import READY, bench


async def test_the_oldest_ready_instance_is_claimed_first() -> None:
    kit = bench(size=2)
    await kit.offer("a")
    first, second = kit.shelved()
    assert (await kit.pool.start(kit.spec())).spec.name == first.spec.name
    assert (await kit.pool.start(kit.spec())).spec.name == second.spec.name


async def test_a_claim_awaits_nothing() -> None:
    kit = bench()
    await kit.offer("a")
    claiming = kit.pool.start(kit.spec())
    with pytest.raises(StopIteration):
        claiming.send(None)


async def test_a_claimed_instance_is_ready_and_says_what_it_says() -> None:
    kit = bench()
    await kit.offer("a")
    inner = kit.shelved()[0]
    instance = await kit.pool.start(kit.spec())
    assert instance.greeting == READY
    inner.channel.frames.put_nowait(Finishing(7))
    assert await instance.control.receive(from_instance) == Finishing(7)
    await instance.control.send(Ack(7))
    assert inner.channel.sent == [Ack(7)]


async def test_a_claimed_instance_is_the_very_one_that_was_ready() -> None:
    kit = bench()
    await kit.offer("a")
    assert await kit.pool.start(kit.spec()) is kit.inner.instances[0]


async def test_its_end_is_the_run_s_affair() -> None:
    kit = bench(size=1)
    await kit.offer("a")
    instance = await kit.pool.start(kit.spec())
    await instance.kill()
    assert (await instance.wait_exit()).signal == 9
    await instance.destroy()
    assert kit.inner.instances[0].destroyed
    assert kit.pool.pool_statistics().discarded == 0


@pytest.mark.parametrize(
    "change", [{"memory_bytes": 2048}, {"cpus": 2.0}, {"pids": 17}, {"image": "b"}], ids=str
)
async def test_an_instance_with_other_limits_is_not_claimed(change: dict[str, Any]) -> None:
    kit = bench()
    other = replace(kit.spec(), **change)
    kit.pool.offer([kit.spec()], [other])
    await settle()
    assert (await kit.pool.start(other)).spec.name == "run-7"


async def test_a_module_is_never_pooled() -> None:
    kit = bench()
    await kit.offer("a")
    assert (await kit.pool.start(kit.spec(role=Role.LLM))).spec.name == "run-7"


async def test_two_versions_with_one_image_share_its_instances() -> None:
    kit = bench()
    await kit.offer("a")
    assert (await kit.pool.start(kit.spec(version="v0.2.16"))).spec.name.startswith("pool-")


async def test_an_empty_pool_starts_cold_at_once() -> None:
    kit = bench(size=1)
    await kit.offer("a")
    kit.inner.gate.clear()
    await kit.pool.start(kit.spec())
    waiting = asyncio.ensure_future(kit.pool.start(kit.spec()))
    await settle()
    kit.inner.gate.set()
    assert (await waiting).spec.name == "run-7"
    statistics = kit.pool.pool_statistics()
    assert (statistics.warm, statistics.cold) == (1, 1)


async def test_an_instance_that_ended_in_this_very_moment_is_not_handed_out() -> None:
    """Its end has been seen by nobody yet: the claim looks itself."""
    kit = bench(size=2)
    await kit.offer("a")
    first, second = kit.shelved()
    first.channel.closed = True
    assert (await kit.pool.start(kit.spec())).spec.name == second.spec.name
    await settle()
    assert first.destroyed


async def test_a_start_that_fails_cold_says_why() -> None:
    kit = bench()
    kit.inner.fails = True
    with pytest.raises(EngineRefused, match="no image a"):
        await kit.pool.start(kit.spec())


async def test_a_claimed_instance_whose_channel_ended_says_so_to_the_run() -> None:
    kit = bench()
    await kit.offer("a")
    inner = kit.shelved()[0]
    instance = await kit.pool.start(kit.spec())
    inner.end()
    with pytest.raises(ChannelClosed):
        await instance.control.receive(from_instance)

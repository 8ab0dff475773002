"""An image that is built anew under its name comes into use, and nothing of the earlier one is handed out."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.runtime.port import EngineUnreachable
from tests.hand_clock import settle
from tests.unit.runtime.pool.scripted_runtime import Bench, bench


async def looked_at(**settings: Any) -> Bench:
    """A pool that knows what its image's name means."""
    kit = bench(**settings)
    kit.inner.image_ids = {"a": "sha256:1", "b": "sha256:9"}
    await kit.offer("a")
    await kit.pool.look_at_images()
    return kit


async def built_anew(kit: Bench) -> None:
    await kit.clock.pass_time(1)
    kit.inner.image_ids["a"] = "sha256:2"
    await kit.pool.look_at_images()
    await settle()


async def test_what_is_ready_is_replaced() -> None:
    kit = await looked_at(size=2)
    old = kit.shelved()
    await built_anew(kit)
    assert all(one.destroyed for one in old)
    assert kit.ready == 2
    await kit.pool.look_at_images()
    assert len(kit.inner.instances) == 4


async def test_other_images_keep_theirs() -> None:
    kit = await looked_at(size=1)
    kit.pool.offer([kit.spec("a"), kit.spec("b")])
    await settle()
    await kit.pool.look_at_images()
    await built_anew(kit)
    assert [one.destroyed for one in kit.inner.instances if one.spec.image == "b"] == [False]


async def test_a_start_that_began_before_is_not_kept() -> None:
    kit = await looked_at(size=1)
    kit.inner.gate.clear()
    await kit.pool.start(kit.spec())
    await kit.clock.pass_time(1)
    await built_anew(kit)
    kit.inner.gate.set()
    await kit.clock.pass_time(1)
    late, fresh = kit.inner.instances[1:]
    assert (late.destroyed, fresh.destroyed, kit.ready) == (True, False, 1)


@pytest.mark.parametrize("size", [1, 0])
async def test_one_that_comes_back_from_its_run_is_not_kept(size: int) -> None:
    kit = bench(size=size)
    kit.reuse = 10
    kit.inner.image_ids = {"a": "sha256:1"}
    await kit.offer("a")
    await kit.pool.look_at_images()
    instance = await kit.pool.start(kit.spec())
    await built_anew(kit)
    assert not kit.pool.take_back(instance)


async def test_an_image_that_is_missing_for_a_while_is_the_same_one_afterwards() -> None:
    kit = await looked_at(size=1)
    for image_id in ("", "sha256:1"):
        kit.inner.image_ids["a"] = image_id
        await kit.pool.look_at_images()
    assert len(kit.inner.instances) == 1


async def test_without_an_engine_nothing_changes() -> None:
    kit = await looked_at(size=1)
    kit.inner.away = True
    with pytest.raises(EngineUnreachable):
        await kit.pool.look_at_images()
    assert kit.ready == 1

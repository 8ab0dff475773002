"""A module's life where engine or module misbehave; what goes well is looked at with real programs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from genvm_wire.module_messages import CloseSession, Configured, ModuleResume, SessionEnded
from orchestrator.modules.configuration import StartRequest
from orchestrator.modules.failures import NotStarted
from orchestrator.modules.kinds import ModuleKind
from orchestrator.modules.record import ModuleEntry, ModuleRecord
from orchestrator.modules.service import ModuleService
from orchestrator.modules.status import ModuleState
from orchestrator.runtime.port import EngineRefused, InstanceSpec, Role
from tests.unit.modules.module_bench import FakeInstance, FakeRuntime, introduction, service
from tests.until import until

LLM, WEB = ModuleKind.LLM, ModuleKind.WEB
EMPTY = StartRequest({})
ENDED = SessionEnded(7, {"scripting": {}}, 1)


@pytest.fixture
async def runtime() -> FakeRuntime:
    return FakeRuntime()


@pytest.fixture
async def modules(runtime: FakeRuntime, tmp_path: Path) -> AsyncIterator[ModuleService]:
    made = service(runtime, tmp_path)
    yield made
    await made.aclose(5)


async def connected(modules: ModuleService, run: int) -> Callable[[], Awaitable[object]]:
    """A run with a session; the way to end it."""
    for end in (await modules.connect(introduction(run), required=False)).values():
        end.close()
    return lambda: modules.release(run)


async def test_an_engine_that_refuses_is_told_and_nothing_has_changed(
    modules: ModuleService, runtime: FakeRuntime
) -> None:
    runtime.refusals = 1
    with pytest.raises(EngineRefused, match="no image"):
        await modules.start(LLM, EMPTY)
    assert modules.statuses()[LLM].state is ModuleState.STOPPED
    await modules.start(LLM, EMPTY)
    assert modules.statuses()[LLM].state is ModuleState.RUNNING


async def test_an_image_of_the_other_module_is_not_taken(
    modules: ModuleService, runtime: FakeRuntime
) -> None:
    runtime.speaks_as = "web"
    with pytest.raises(NotStarted, match="not that of the llm module"):
        await modules.start(LLM, EMPTY)
    assert all(one.destroyed for one in runtime.instances.values())


async def test_a_revival_is_tried_until_it_works(modules: ModuleService, runtime: FakeRuntime) -> None:
    await modules.start(LLM, EMPTY)
    runtime.refusals = 5
    runtime.instances["llm-1"].end()
    await until(lambda: modules.statuses()[LLM].restarts == 1)
    assert runtime.attempts == 7
    assert modules.statuses()[LLM].instance == "llm-7"
    assert runtime.instances["llm-1"].destroyed


async def test_a_start_takes_the_place_of_a_revival(modules: ModuleService, runtime: FakeRuntime) -> None:
    await modules.start(LLM, EMPTY)
    runtime.refusals = 10**6
    runtime.instances["llm-1"].end()
    await until(lambda: bool(modules.statuses()[LLM].trouble))
    await until(lambda: runtime.attempts > 3)
    runtime.refusals = 0
    await modules.restart(LLM, EMPTY)
    assert modules.statuses()[LLM].state is ModuleState.RUNNING
    assert modules.statuses()[LLM].trouble == ""


async def test_a_module_that_breaks_the_protocol_is_replaced(
    modules: ModuleService, runtime: FakeRuntime
) -> None:
    await modules.start(LLM, EMPTY)
    runtime.instances["llm-1"].say(Configured(1, ()))
    await until(lambda: modules.statuses()[LLM].restarts == 1)
    assert runtime.instances["llm-1"].destroyed


async def test_a_drained_module_is_told_so_once_and_ends_with_its_last_run(
    modules: ModuleService, runtime: FakeRuntime
) -> None:
    await modules.start(LLM, EMPTY)
    release = await connected(modules, 7)
    await modules.restart(LLM, EMPTY)
    old = runtime.instances["llm-1"]
    await until(lambda: "drain" in old.kinds())
    assert (old.destroyed, modules.statuses()[LLM].draining) == (False, 1)
    await release()
    await until(lambda: old.destroyed)
    assert old.kinds().count("drain") == 1


async def test_a_last_word_that_waited_for_the_channel_still_counts(
    modules: ModuleService, runtime: FakeRuntime
) -> None:
    await modules.start(WEB, EMPTY)
    release = await connected(modules, 7)
    instance = runtime.instances["web-1"]
    instance.channel.close()
    await until(lambda: not modules.statuses()[WEB].connected)
    instance.connect_with(ModuleResume("llm", "1", 1, ()))
    instance.say(ENDED)
    await until(lambda: modules.statuses()[WEB].connected)
    assert await release() == {"llm": None, "web": {}}


async def test_a_drain_that_fell_on_a_broken_channel_is_said_again(
    modules: ModuleService, runtime: FakeRuntime
) -> None:
    await modules.start(LLM, EMPTY)
    release = await connected(modules, 7)
    old = runtime.instances["llm-1"]
    old.channel.close()
    await modules.restart(LLM, EMPTY)
    assert "drain" not in old.kinds()
    old.connect_with(ModuleResume("llm", "1", 1, (7,)))
    await until(lambda: "drain" in old.kinds())
    await release()


async def left_behind(tmp_path: Path, runtime: FakeRuntime, *runs: int) -> FakeInstance:
    """An instance of a manager before this one."""
    entries = dict.fromkeys(ModuleKind, ModuleEntry()) | {
        LLM: ModuleEntry(3, "llm-3", ("llm-2",), "module:1")
    }
    await asyncio.to_thread(ModuleRecord(tmp_path).save, entries)
    spec = InstanceSpec("llm-3", Role.LLM, "module:1", "llm", None, None, 1, 1, 16)
    runtime.instances["llm-3"] = FakeInstance(spec, ModuleResume("llm", "1", 3, runs))
    return runtime.instances["llm-3"]


async def test_an_engine_that_is_away_does_not_lose_a_module(
    runtime: FakeRuntime, tmp_path: Path, modules: ModuleService
) -> None:
    await left_behind(tmp_path, runtime)
    runtime.absences = 1
    await modules.recover()
    assert modules.instances() == {"llm-2", "llm-3"}
    await modules.adopt(lambda _: False, patience=0)
    assert modules.statuses()[LLM].state is ModuleState.STOPPED
    assert modules.instances() == {"llm-2", "llm-3"}
    await until(lambda: modules.statuses()[LLM].state is ModuleState.RUNNING)
    assert modules.instances() == {"llm-3"}


async def test_sessions_of_runs_that_ended_meanwhile_are_closed(
    runtime: FakeRuntime, tmp_path: Path, modules: ModuleService
) -> None:
    instance = await left_behind(tmp_path, runtime, 7, 8)
    await modules.recover()
    await modules.adopt(lambda run: run == 7, patience=5)
    assert instance.told == [CloseSession(8)]
    instance.say(ENDED)
    assert await modules.release(7) == {"llm": {"scripting": {}}, "web": None}


async def test_sessions_of_runs_that_another_manager_has_by_now_are_left_to_their_ends(
    runtime: FakeRuntime, tmp_path: Path, modules: ModuleService
) -> None:
    instance = await left_behind(tmp_path, runtime, 7, 8)
    await modules.recover()
    await modules.adopt(lambda _: False, patience=5, others_have=lambda run: run == 7)
    assert instance.told == [CloseSession(8)]
    assert modules.statuses()[LLM].sessions == 1
    await modules.restart(LLM, EMPTY)
    await until(lambda: "drain" in instance.kinds())
    assert not instance.destroyed
    instance.say(ENDED)
    await until(lambda: instance.destroyed)


async def test_an_instance_that_does_not_come_back_is_removed(
    runtime: FakeRuntime, tmp_path: Path, modules: ModuleService
) -> None:
    instance = await left_behind(tmp_path, runtime)
    instance.connections.get_nowait()
    await modules.recover()
    await modules.adopt(lambda _: False, patience=5)
    assert instance.destroyed
    assert modules.statuses()[LLM].state is ModuleState.STOPPED
    assert modules.instances() == frozenset()

"""The demo does not begin before its manager is ready, and says why it is not."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator import demo
from orchestrator.demo import READY_SECONDS, DemoFailed, playground, until_ready
from orchestrator.readiness import Check, Readiness
from tests.hand_clock import HandClock


@pytest.fixture
def folder() -> Iterator[Path]:
    """With room for a socket's name."""
    path = Path(tempfile.mkdtemp(prefix="genvm-demo-test-"))
    yield path
    shutil.rmtree(path)


async def test_it_waits_for_an_engine_that_comes() -> None:
    clock, trouble = HandClock(), ["it does not answer"]
    readiness = Readiness({"engine": Check(lambda: trouble[0] if trouble else None)}, clock)
    waiting = asyncio.create_task(until_ready(readiness, "", clock))
    await clock.pass_time(READY_SECONDS / 2)
    assert not waiting.done()
    trouble.clear()
    await clock.pass_time(1)
    await waiting


async def test_it_gives_up_with_the_reason() -> None:
    clock = HandClock()
    checks = {"engine": Check(lambda: "it does not answer")}
    waiting = asyncio.create_task(until_ready(Readiness(checks, clock), "the engine is X", clock))
    await clock.pass_time(READY_SECONDS + 1)
    with pytest.raises(DemoFailed, match=r": it does not answer \(the engine is X;"):
        await waiting


async def test_what_else_is_not_ready_keeps_nobody_from_a_look() -> None:
    await until_ready(Readiness({"disk": Check(lambda: "too little room")}, HandClock()), "", HandClock())


async def test_without_an_engine_no_run_is_begun(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENVM_RUNTIME", "docker")
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent/engine.sock")
    monkeypatch.setattr(demo, "READY_SECONDS", 0.0)
    with pytest.raises(DemoFailed) as failed:
        async with playground(folder, 1.0):
            pytest.fail("it has begun")
    assert "the container engine does not answer" in str(failed.value)
    assert "unix:///nonexistent/engine.sock" in str(failed.value)

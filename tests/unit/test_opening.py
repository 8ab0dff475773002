"""What a manager has opened is closed when something later cannot be had."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from orchestrator.composition import Manager, manager
from orchestrator.runtime.process import ProcessRuntime, ProcessSettings
from orchestrator.runtime_name import RuntimeName
from orchestrator.serve import _opened
from orchestrator.settings import Settings
from orchestrator.store.port import StoreFailure


class Runtime(ProcessRuntime):
    closed = False

    async def aclose(self) -> None:
        await super().aclose()
        self.closed = True


@pytest.mark.parametrize("pool_size", [0, 1])
async def test_the_runtime_is_closed_when_the_journal_cannot_be_opened(
    tmp_path: Path, pool_size: int
) -> None:
    settings = Settings(
        runtime=RuntimeName.PROCESS,
        state_dir=tmp_path / "state",
        database_url=f"sqlite:///{tmp_path}/nowhere/journal.sqlite",
        pool_size=pool_size,
    )
    opened: list[Runtime] = []

    async def make(_: Settings, manager_id: str) -> Runtime:
        opened.append(Runtime(ProcessSettings(manager_id, settings.state_dir, {})))
        return opened[0]

    with pytest.raises(StoreFailure):
        async with manager(settings, make):
            pass
    assert [one.closed for one in opened] == [True]


async def test_an_order_to_stop_that_comes_while_it_opens_is_obeyed() -> None:
    """An engine may be slow, and the first start of processes compiles an interpreter."""
    begun, closed = asyncio.Event(), asyncio.Event()

    async def opens() -> Manager:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            closed.set()
        raise AssertionError

    stop = asyncio.Event()
    opening = asyncio.ensure_future(_opened(opens(), stop))
    await begun.wait()
    stop.set()
    assert await opening is None
    assert closed.is_set()

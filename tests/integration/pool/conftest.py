"""A manager with a pool in this process, with real executors, and a node that follows the book."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import pytest

from orchestrator.composition import Manager, manager
from orchestrator.embedded import METER_VARIABLE, compiled_directory
from orchestrator.executions.times import Times
from orchestrator.node.store import NodeStore
from orchestrator.runtime.pool import PoolRuntime, PoolStatistics
from orchestrator.runtime_name import RuntimeName
from orchestrator.serve import listening
from orchestrator.settings import Settings
from tests.e2e.chain import source
from tests.e2e.conftest import executor_image
from tests.e2e.manager_process import MANAGED_BY
from tests.e2e.strict_node import StrictNode, Transcript, staged, strict_node
from tests.precompiled import precompiled_for
from tests.until import until

__all__ = ["executor_image"]

CODE = source("behaviour.py")
LATER_CODE = source("later_behaviour.py")
"""The same in the second generation of the library."""
COMPARED = [(CODE, "good"), (CODE, "vm_error"), (LATER_CODE, "good")]
"""Runs that are to be the same wherever and whenever: code and method."""
BOUND = 120.0


@dataclass
class Pooled:
    """A running manager with its pool, and a node."""

    manager: Manager
    pool: PoolRuntime
    node: StrictNode
    store: NodeStore

    @property
    def seen(self) -> PoolStatistics:
        return self.pool.pool_statistics()

    async def until(self, condition: Callable[[PoolStatistics], bool]) -> None:
        """Until the pool is so; a pool announces nothing."""
        await until(lambda: condition(self.seen))

    async def run(self, method: str = "good", code: bytes = CODE, **changes: Any) -> Transcript:
        return await self.node.run(await staged(self.store, code, method), **changes)


@pytest.fixture
def folder() -> Iterator[Path]:
    """Short: unix socket paths are."""
    path = Path(tempfile.mkdtemp(prefix="genvm-"))
    yield path
    shutil.rmtree(path)


# An instance of which the machine makes the manager wait is no bad one: the tests' timeouts are bounds.
PATIENT = Times(finishing_grace=BOUND, acknowledged=BOUND)

Open = Callable[..., Any]


@pytest.fixture
def store() -> Iterator[NodeStore]:
    with NodeStore(":memory:") as kept:
        yield kept


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For the process runtime."""
    return precompiled_for(tmp_path_factory)


@pytest.fixture(autouse=True)
def counting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Executor processes count fuel here: runs that burn the same did the same."""
    monkeypatch.setenv(METER_VARIABLE, "1")


@pytest.fixture
def open_manager(
    folder: Path, engine: docker.APIClient, executor_image: str, store: NodeStore, compiled: Path
) -> Open:
    """Managers of the test's choice; when they are closed nothing of them may be left."""

    @asynccontextmanager
    async def opened(runtime: str, **changes: Any) -> AsyncIterator[Pooled]:
        settings = Settings(
            runtime=RuntimeName(runtime),
            state_dir=folder / "state",
            socket=folder / "api.sock",
            **{"permits": 12, "pool_size": 2, **changes},
        )
        await asyncio.to_thread(_place, compiled, settings.state_dir)
        async with AsyncExitStack() as exits:
            running = await exits.enter_async_context(manager(settings, times=PATIENT))
            address = await exits.enter_async_context(listening(running))
            await running.recovered()
            node = await exits.enter_async_context(strict_node(address, folder))
            assert running.pool is not None
            yield Pooled(running, running.pool, node, store)
        assert running.runtime.statistics().instances == 0
        assert running.executions.statistics().permits.in_use == 0
        assert list((settings.state_dir / "instances").glob("*")) == []
        assert containers(engine, settings.state_dir) == []

    return opened


def work_of(status: dict[str, Any], runtime: str) -> tuple[int, ...]:
    """What a run did, in figures that no clock has a part in: equal runs have equal ones.

    Containers, which run as in production, do not count fuel.
    """
    stats: dict[str, int] = status["stats"]
    assert ("fuel" in stats) is (runtime == "process")
    names = ("fuel", "memory_peak", "storage_reads", "storage_writes", "stdout_total", "stderr_total")
    return tuple(stats.get(name, 0) for name in names)


def _place(compiled: Path, state_dir: Path) -> None:
    state_dir.mkdir(exist_ok=True)
    place = compiled_directory(state_dir)
    if not place.exists():
        place.symlink_to(compiled)


def containers(engine: docker.APIClient, state_dir: Path, role: str | None = None) -> list[str]:
    """Ids of all containers of the manager with that state directory."""
    labels = [f"{MANAGED_BY}={(state_dir / 'manager-id').read_text('ascii')}"]
    if role is not None:
        labels.append(f"io.genvm.orchestrator.role={role}")
    return [str(one["Id"]) for one in engine.containers(all=True, filters={"label": labels})]

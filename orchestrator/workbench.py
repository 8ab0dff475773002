"""A manager of its own for one command of a developer: in a temporary directory, gone with it."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from orchestrator.access.caller import ANYBODY
from orchestrator.api.body import WrongShape, shaped
from orchestrator.api.context import CONTEXT, ApiContext
from orchestrator.api.run_status import status_body
from orchestrator.api.wire.generation_a import RunBodyA
from orchestrator.composition import Manager, manager, named_runtime
from orchestrator.contracts.versions import VersionFailure
from orchestrator.embedded import PRECOMPILED_VARIABLE, executor_environment, prepared_executor
from orchestrator.executions.hosts import HostFailure
from orchestrator.executions.modules import ModulesNotRunning
from orchestrator.executions.refusals import Refused
from orchestrator.kits.process import process_runtime
from orchestrator.node.errors import ManagerRefused
from orchestrator.node.manager_client import ManagerClient
from orchestrator.runtime.port import Runtime
from orchestrator.runtime_name import RuntimeName
from orchestrator.serve import listening
from orchestrator.settings import Settings

REUSE: Final = 100_000
"""Runs per instance: none is replaced while a session lasts."""
PERMITS: Final = 64
KEPT: Final = 3
"""Compiled interpreters in the cache."""
Wrap = Callable[[Runtime], Runtime]


def cache_dir() -> Path:
    """Where the compiled interpreter is kept from one command to the next."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "genvm-orchestrator"


@asynccontextmanager
async def workbench(
    runtime: RuntimeName = RuntimeName.PROCESS,
    *,
    instances: int = 2,
    longest_run: float = 600.0,
    wrap: Wrap | None = None,
) -> AsyncIterator[ManagerClient]:
    """A client of a manager whose instances serve one run after another, each in a fresh process.

    `instances` are kept warm; `longest_run` in seconds; `wrap` gets the runtime before anything uses it.
    Raises EngineUnreachable, EngineRefused.
    """
    folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="genvm-dev-"))

    async def open_runtime(settings: Settings, manager_id: str) -> Runtime:
        opened = await _open(settings, manager_id)
        return opened if wrap is None else wrap(opened)

    try:
        settings = _settings(folder, runtime, instances, longest_run)
        async with manager(settings, open_runtime, lasting=False) as running, listening(running) as address:
            await running.recovered()
            async with NearClient(address, running) as client:
                yield client
            await running.executions.shut_down(drain=0, grace=0)
            await running.modules.shut_down()
            if running.pool is not None:
                await running.pool.drain()
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


class NearClient(ManagerClient):
    """Of a manager on the same loop: what every call needs is asked of it without HTTP, all else with it.

    A run is accepted from the same body, by the same rules, and goes the same way from there.
    """

    def __init__(self, address: str, near: Manager) -> None:
        super().__init__(address)
        self._context: ApiContext = near.app[CONTEXT]
        self._executions = near.executions

    async def start_run(self, request: Mapping[str, Any]) -> int:
        """See `ManagerClient.start_run`."""
        try:
            wanted = shaped(RunBodyA, dict(request)).run_request(self._context.rules)
            run = await self._executions.submit(wanted.within(ANYBODY.namespace))
        except (WrongShape, HostFailure, VersionFailure, Refused, ModulesNotRunning) as refusal:
            raise ManagerRefused(str(refusal)) from refusal
        return run.id

    async def status(self, run_id: int, *, wait: int = 0) -> dict[str, Any] | None:
        """See `ManagerClient.status`."""
        run = self._executions.find(run_id)
        if run is not None and wait:
            await asyncio.wait([run.concluded], timeout=wait)
        final = await self._executions.status(run_id)
        if final is None:
            return None
        self._executions.mark_fetched(run_id)
        return status_body(final)


def _settings(folder: Path, runtime: RuntimeName, instances: int, longest_run: float) -> Settings:
    return Settings(
        runtime=runtime,
        state_dir=folder / "s",
        socket=folder / "m",
        longest_run=longest_run,
        # A run that its node has heard the end of may still be telling what it printed.
        end_grace=10.0,
        pool_size=instances,
        instance_reuse=REUSE,
        permits=PERMITS,
        # Whatever the environment says of the machine's own manager.
        tokens_file=None,
        operator_socket=None,
        audit_file=None,
        database_url=None,
    )


async def _open(settings: Settings, manager_id: str) -> Runtime:
    if settings.runtime is not RuntimeName.PROCESS:
        return await named_runtime(settings, manager_id)
    if compiled := os.environ.get(PRECOMPILED_VARIABLE):
        return process_runtime(settings, manager_id, executor_environment(compiled))
    return process_runtime(settings, manager_id, await prepared_executor(await _cache()))


async def _cache() -> Path:
    directory = cache_dir()
    await asyncio.to_thread(_tidy, directory)
    return directory


def _tidy(directory: Path) -> None:
    """An installation that is being worked on compiles anew after each change of what contracts see."""
    directory.mkdir(parents=True, exist_ok=True)
    compiled = sorted(directory.glob("precompiled-*"), key=lambda path: path.stat().st_mtime)
    for old in compiled[:-KEPT]:
        shutil.rmtree(old, ignore_errors=True)

"""Both modules of a manager: orders from the edge, sessions for runs, what there is to tell.

Implements `orchestrator.executions.modules.Modules`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog

from orchestrator.executions.modules import (
    NOT_ALL_RUNNING,
    NOT_RUNNING,
    Introduction,
    Metrics,
    ModulesNotRunning,
)
from orchestrator.modules.configuration import Configuration, StartRequest, configuration_of
from orchestrator.modules.egress import PacketFilters
from orchestrator.modules.failures import NoNewModules
from orchestrator.modules.instance import ModuleInstance
from orchestrator.modules.kinds import ModuleKind, ModuleSettings, ModuleTimes
from orchestrator.modules.module import Module, Settle, Surroundings, on_its_own
from orchestrator.modules.own_addresses import own_addresses
from orchestrator.modules.record import ModuleEntry, ModuleRecord
from orchestrator.modules.status import ModuleStatus, status_of
from orchestrator.modules.templating import Lookup
from orchestrator.runtime.port import ChannelClosed, Line, Runtime
from orchestrator.tasks import TaskOwner

log = structlog.get_logger(__name__)


class ModuleService:
    """Made inside a running event loop; call `recover` before anything else."""

    def __init__(
        self,
        runtime: Runtime,
        settings: Mapping[ModuleKind, ModuleSettings],
        environment: Lookup,
        state_dir: Path,
        times: ModuleTimes | None = None,
        *,
        filters: PacketFilters | None = None,
    ) -> None:
        """`filters`: the packet filters below modules, on runtimes that have some."""
        self._runtime = runtime
        self._filters = filters
        self._settings = settings
        self._environment = environment
        self._times = times or ModuleTimes()
        self._record = ModuleRecord(state_dir)
        self._writing = asyncio.Lock()
        self._modules = {kind: Module(kind, self._around(kind), ModuleEntry()) for kind in ModuleKind}
        self._sessions: dict[int, dict[ModuleKind, ModuleInstance]] = {}
        self._waiters: set[asyncio.Future[None]] = set()
        self._tasks = TaskOwner("modules")
        self._stopping = self._dealt_with = False
        self.revision = 0

    def _around(self, kind: ModuleKind) -> Surroundings:
        async def configure(request: StartRequest) -> Configuration:
            return await asyncio.to_thread(self._configured, kind, request)

        return Surroundings(
            self._runtime,
            self._settings[kind],
            self._times,
            configure,
            self._save,
            self._changed,
            self._filters if kind is ModuleKind.WEB else None,
        )

    def _configured(self, kind: ModuleKind, request: StartRequest) -> Configuration:
        """Blocking. Interfaces come and go: each start looks at them again."""
        settings = self._settings[kind]
        own = own_addresses(settings.own_addresses) if kind is ModuleKind.WEB else ()
        return configuration_of(kind, request, settings.default_config, self._environment, own)

    async def recover(self) -> None:
        """Learn which containers are the modules'; from here on no sweep takes them away."""
        for kind, entry in (await asyncio.to_thread(self._record.load)).items():
            self._modules[kind].entry = entry

    async def adopt(
        self,
        uses_modules: Callable[[int], bool],
        patience: float,
        *,
        others_have: Callable[[int], bool] = lambda _: False,
    ) -> None:
        """Take over what an earlier manager left, after its runs were; goes on by itself after `patience` s.

        `uses_modules` tells whether a run still needs its sessions; `others_have`: whether that is for
        another manager to say, because the run is its by now.
        """
        adopting = [
            self._tasks.spawn(f"adopt-{module.kind}", self._adopt(module, uses_modules, others_have))
            for module in self._modules.values()
            if module.entry.names
        ]
        if adopting:
            await asyncio.wait(adopting, timeout=patience)

    async def _adopt(
        self, module: Module, uses_modules: Callable[[int], bool], others_have: Callable[[int], bool]
    ) -> None:
        def claim(run: int, one: ModuleInstance) -> bool:
            if uses_modules(run):
                self._sessions.setdefault(run, {})[module.kind] = one
                one.expect(run)
            elif others_have(run):
                one.expect_of_another(run)
            else:
                return False
            return True

        await module.adopt(claim)

    async def start(self, kind: ModuleKind, request: StartRequest) -> None:
        """Returns when the module serves. Raises AlreadyRunning, ModuleFailure, RuntimeFailure."""
        self._check_open()
        await self._modules[kind].start(request)

    async def restart(self, kind: ModuleKind, request: StartRequest, settle: Settle = on_its_own) -> None:
        """Returns when the new one serves; what ran before goes on if it cannot.

        `settle` is called when it could. Raises ModuleFailure, RuntimeFailure, and what `settle` does.
        """
        self._check_open()
        await self._modules[kind].restart(request, settle)

    async def stop(self, kind: ModuleKind) -> bool:
        """Whether it ran. Runs that use it keep it to their ends."""
        return await self._modules[kind].stop()

    def module(self, kind: ModuleKind) -> Module:
        """For whoever keeps it in line with the other managers'."""
        return self._modules[kind]

    async def require(self) -> None:
        """Wait a moment for both modules. Raises ModulesNotRunning: a run that needs them is refused."""
        if not await self._available(list(self._modules.values()), self._times.patience):
            raise ModulesNotRunning(NOT_RUNNING)

    async def connect(self, introduction: Introduction, *, required: bool) -> dict[str, Line]:
        """See `executions.modules.Modules.connect`."""
        wanted = [module for module in self._modules.values() if required or self._is_hopeful(module)]
        complete = await self._available(wanted, self._times.patience, self._times.start_patience)
        if required and not complete:
            raise ModulesNotRunning(NOT_ALL_RUNNING)
        opened: dict[str, Line] = {}
        try:
            for module in wanted:
                if (one := module.current) is None or not one.available:
                    continue
                self._sessions.setdefault(introduction.run, {})[module.kind] = one
                with suppress(ChannelClosed):
                    opened[module.kind.value] = await one.open(introduction)
            if required and len(opened) < len(wanted):
                raise ModulesNotRunning(NOT_ALL_RUNNING)
        except BaseException:
            for line in opened.values():
                line.close()
            raise
        return opened

    def _is_hopeful(self, module: Module) -> bool:
        """Whether it is worth a run's time to wait for a module that it could do without."""
        just_now = asyncio.get_running_loop().time() - module.stopped_at < self._times.patience
        return module.current is not None or module.busy > 0 or just_now

    async def _available(self, wanted: list[Module], patience: float, start_patience: float = 0.0) -> bool:
        """Wait until all can take a session: `patience` s, or `start_patience` while one is being started."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        while missing := [module for module in wanted if not module.available]:
            bound = start_patience if any(module.busy for module in missing) else 0.0
            left = begun + max(patience, bound) - loop.time()
            if left <= 0:
                return False
            await self._change(left)
        return True

    async def _change(self, seconds: float) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        try:
            await asyncio.wait([waiter], timeout=seconds)
        finally:
            self._waiters.discard(waiter)

    def _changed(self) -> None:
        self.revision += 1
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def release(self, run_id: int) -> Metrics | None:
        """See `executions.modules.Modules.release`."""
        held = self._sessions.pop(run_id, {})
        if not held:
            return None
        usages = await asyncio.gather(*(one.close_session(run_id) for one in held.values()))
        metrics: dict[str, Any] = {kind.value: None for kind in ModuleKind}
        for kind, usage in zip(held, usages, strict=True):
            if usage is not None:
                metrics[kind.value] = usage.metrics(kind)
        return metrics if any(part is not None for part in metrics.values()) else None

    def instances(self) -> frozenset[str]:
        return frozenset().union(*(module.instances() for module in self._modules.values()))

    def statuses(self) -> dict[ModuleKind, ModuleStatus]:
        """What is known now; waits for nothing."""
        return {kind: status_of(module, stopping=self._stopping) for kind, module in self._modules.items()}

    def is_missing(self, kind: ModuleKind) -> bool:
        """Whether it was asked for and does not run."""
        module = self._modules[kind]
        return module.wanted and module.current is None and not self._stopping

    async def _save(self, _: ModuleEntry) -> None:
        """Write down all entries as they are when it is this one's turn; once begun it ends."""
        await asyncio.shield(self._tasks.spawn("save", self._write()))

    async def _write(self) -> None:
        async with self._writing:
            entries = {kind: module.entry for kind, module in self._modules.items()}
            try:
                await asyncio.to_thread(self._record.save, entries)
            except OSError as error:
                log.error(
                    "module_record_not_written", error=str(error), consequence="not found after a restart"
                )

    def _check_open(self) -> None:
        if self._stopping:
            raise NoNewModules("the manager is shutting down")

    def begin_stopping(self) -> None:
        """Say so, and start nothing any more; runs that go on keep their modules."""
        self._stopping = True
        self._changed()

    async def shut_down(self) -> None:
        """End both modules, once the runs have ended."""
        self.begin_stopping()
        self._dealt_with = True
        await asyncio.gather(*(module.shut_down() for module in self._modules.values()))

    async def detach(self) -> None:
        """Leave both to the next manager on this state directory."""
        self.begin_stopping()
        self._dealt_with = True
        await asyncio.gather(*(module.detach() for module in self._modules.values()))

    async def aclose(self, grace: float) -> None:
        """End what `shut_down` or `detach` has not dealt with, within `grace` seconds."""
        if not self._dealt_with:
            try:
                async with asyncio.timeout(grace):
                    await self.shut_down()
            except TimeoutError:
                log.error("modules_left_for_the_next_sweep")
        for module in self._modules.values():
            await module.aclose()
        await self._tasks.aclose()

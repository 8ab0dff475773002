"""A manager's start: it takes over what an earlier one left, step by step, while it answers already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import structlog

from orchestrator.executions.service import Executions
from orchestrator.modules.service import ModuleService
from orchestrator.runtime.pool import PoolRuntime
from orchestrator.runtime.port import EngineUnreachable, InstanceSpec, Runtime, RuntimeFailure

log = structlog.get_logger(__name__)

# Seconds that a start waits for modules of an earlier manager; they connect again within 200 ms.
ADOPTION_PATIENCE = 3.0


async def take_over(
    executions: Executions,
    modules: ModuleService,
    pool: PoolRuntime | None,
    pooled: Sequence[InstanceSpec],
    place_of: Mapping[int, Runtime],
) -> None:
    """Modules are known before a sweep, runs before their modules, and queued runs begin last.

    `pooled` is what the pool keeps ready; `place_of`: where the instances of some runs are.
    Raises StoreFailure, RuntimeFailure.
    """
    await modules.recover()
    await executions.recover(place_of)
    if pool is not None:
        await _adopt_ready(pool, pooled, executions)
    others = executions.left_behind.__contains__
    await modules.adopt(executions.uses_modules, ADOPTION_PATIENCE, others_have=others)
    await _sweep(executions)
    executions.reopen_queue()
    log.info("recovered", runs=len(executions.live()))


async def _adopt_ready(pool: PoolRuntime, pooled: Sequence[InstanceSpec], executions: Executions) -> None:
    """Ready instances outlive their manager for a while: making them anew would cost the first runs."""
    try:
        adopted = await pool.adopt_idle(list(pooled), executions.instances())
    except RuntimeFailure as failure:
        log.warning("pool_not_adopted", error=str(failure))
    else:
        if adopted:
            log.info("pool_adopted", instances=adopted)


async def _sweep(executions: Executions) -> None:
    """Remove what belongs to no run. An engine that is away is waited for by those who need it."""
    try:
        await executions.sweep()
    except EngineUnreachable as failure:
        log.warning("engine_unreachable_at_start", error=str(failure))

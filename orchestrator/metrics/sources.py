"""What the metrics are read from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from orchestrator.executions.retention import RetentionLimits
from orchestrator.executions.service import Executions
from orchestrator.metrics.run_tally import RunTally
from orchestrator.modules.service import ModuleService
from orchestrator.runtime.pool import PoolRuntime
from orchestrator.runtime.port import Runtime
from orchestrator.store.port import Journal
from orchestrator.traces.export import TraceExport


@dataclass(slots=True)
class StartTime:
    """`recovered_after`: seconds that taking over took; null until that is done."""

    recovered_after: float | None = None


@dataclass(frozen=True, slots=True)
class Sources:
    """`tally` is told of each run that has ended. `not_ready`: why, in few words, or null."""

    executions: Executions
    runtime: Runtime
    modules: ModuleService
    journal: Journal
    retention: RetentionLimits
    pool: PoolRuntime | None
    tally: RunTally
    not_ready: Callable[[], str | None]
    journal_trouble: Callable[[], str | None]
    queue_limit: int
    queue_bytes: int
    start: StartTime = field(default_factory=StartTime)
    traces: TraceExport | None = None

"""What handlers need, put into the application by the composition root."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from orchestrator.executions.service import Executions
from orchestrator.modules.service import ModuleService
from orchestrator.runtime.pool import PoolRuntime
from orchestrator.tasks import TaskOwner


@dataclass(frozen=True, slots=True)
class ApiContext:
    """`engine_reachable` tells what is known now; it never calls the engine."""

    executions: Executions
    background: TaskOwner
    accept_early: bool
    engine_reachable: Callable[[], bool]
    modules: ModuleService
    pool: PoolRuntime | None = None


CONTEXT = web.AppKey("context", ApiContext)

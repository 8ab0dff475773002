"""What handlers need, put into the application by the composition root."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from orchestrator.access.access import Access
from orchestrator.api.members.passing import Passing
from orchestrator.api.times import DEFAULT_API_TIMES, ApiTimes
from orchestrator.api.wire.rules import RunRules
from orchestrator.cluster.standing_orders import StandingOrders
from orchestrator.contracts.catalogue import Catalogue
from orchestrator.environment import EnvironmentOverlay
from orchestrator.executions.service import Executions
from orchestrator.metrics.history import History
from orchestrator.modules.orders import Orders
from orchestrator.modules.service import ModuleService
from orchestrator.provider_checks import CheckOne
from orchestrator.readiness import Readiness
from orchestrator.runtime.pool import PoolRuntime
from orchestrator.tasks import TaskOwner


@dataclass(frozen=True, slots=True)
class ApiContext:
    """`recovered` is set when what an earlier manager left has been taken over.

    `engine_reachable` and `journal_trouble` (why runs cannot be written down) tell what is known now: neither
    asks the engine or touches the disk. `no_room`: why starts wait for room in the cluster, or None.
    `readiness`: whether runs may come. `scrape`: the metrics, and their content type.
    `history`: the last hour of some of them.
    `start_wait`: seconds that a client which is answered at the start of its run waits for permits.
    """

    executions: Executions
    recovered: asyncio.Event
    background: TaskOwner
    rules: RunRules
    catalogue: Catalogue
    environment: EnvironmentOverlay
    start_wait: float
    max_message_bytes: int
    engine_reachable: Callable[[], bool]
    journal_trouble: Callable[[], str | None]
    modules: ModuleService
    orders: Orders
    check_llm: CheckOne
    access: Access
    readiness: Readiness
    scrape: Callable[[], Awaitable[tuple[bytes, str]]]
    history: History
    no_room: Callable[[], str | None] = lambda: None
    pool: PoolRuntime | None = None
    times: ApiTimes = DEFAULT_API_TIMES
    passing: Passing | None = None
    """To other managers with the same journal; null: there are none."""
    standing: StandingOrders | None = None
    """Of all of them."""


CONTEXT = web.AppKey("context", ApiContext)

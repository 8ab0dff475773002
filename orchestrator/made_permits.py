"""What the operator decides about runs: what they may ask for, what they cost, how many permits there are."""

from __future__ import annotations

import structlog

from orchestrator.api.wire.rules import RunRules
from orchestrator.executions.costs import EARLY_COSTS, NEWEST_COSTS, Costs
from orchestrator.executions.permits import PermitPool
from orchestrator.memory import FreeMemory
from orchestrator.settings import Settings

log = structlog.get_logger(__name__)


def run_rules(settings: Settings) -> RunRules:
    sync, nondet = settings.permits_per_sync, settings.permits_per_nondet
    return RunRules(
        accept_early=settings.accept_early,
        debug_ceiling=settings.debug_ceiling,
        allowed_arguments=frozenset(settings.allowed_arguments),
        costs=None if sync is None or nondet is None else Costs(sync, nondet),
    )


def permit_pool(settings: Settings, memory: FreeMemory) -> PermitPool:
    """What one run of each kind takes is the least that the maximum may be set to (manager-api 3.13)."""
    costs = run_rules(settings).costs
    least = (costs or EARLY_COSTS).highest
    default = memory.permits(settings.permits_per_gib, (costs or NEWEST_COSTS).highest)
    wanted = settings.permits or default
    if wanted < least:
        log.warning("permits_raised", asked=wanted, permits=least, reason="the dearest run takes that many")
    elif costs is None and wanted < NEWEST_COSTS.highest:
        reason = f"runs of the newest clients take {NEWEST_COSTS.sync} or {NEWEST_COSTS.nondet}"
        log.warning("permits_below_newest", permits=wanted, reason=reason)
    return PermitPool(max(wanted, least), minimum=least)

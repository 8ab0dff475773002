"""What is told of a module: the clients' word and, beside it, what an operator wants to know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from genvm_wire.calldata import Value

if TYPE_CHECKING:
    from orchestrator.modules.module import Module


class ModuleState(StrEnum):
    """The words of manager-api 3.1."""

    RUNNING = "running"
    STOPPED = "stopped"
    STOPPING = "stopping"


@dataclass(frozen=True, slots=True)
class ModuleStatus:
    """`wanted`: somebody started it and nobody stopped it. `starting`: an instance is on its way. `trouble`:
    why there is none, or was none; empty: all is well.

    `order`: the number of the order for all managers by which it runs; 0: a lone manager's, or it does not.
    `sessions` are those of this manager's runs, in the instance that takes new ones; `draining` counts older
    instances that runs still use. `notes`: what the module left out of its configuration, and why.
    """

    state: ModuleState
    order: int
    wanted: bool
    starting: bool
    instance: str | None
    container_id: str | None
    image: str | None
    version: str | None
    connected: bool
    healthy: bool
    detail: str
    sessions: int
    draining: int
    restarts: int
    trouble: str
    notes: tuple[str, ...]
    counters: Mapping[str, Value]


def status_of(module: Module, *, stopping: bool) -> ModuleStatus:
    one = module.current
    running = ModuleState.STOPPED if one is None else ModuleState.RUNNING
    return ModuleStatus(
        state=ModuleState.STOPPING if stopping else running,
        order=module.goes_by or 0,
        wanted=module.wanted,
        starting=module.busy > 0,
        instance=one.name if one else None,
        container_id=one.engine_id if one else None,
        image=one.image if one else None,
        version=one.version if one else None,
        connected=one.up if one else False,
        healthy=one.health.healthy if one else False,
        detail=one.health.detail if one else "",
        sessions=len(one.sessions) if one else 0,
        draining=len(module.draining),
        restarts=module.restarts,
        trouble=module.trouble,
        notes=tuple(one.notes) if one else (),
        counters=one.health.counters if one else {},
    )

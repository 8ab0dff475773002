"""What a run needs of the llm and web modules, and nothing more; `orchestrator.modules` has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from genvm_wire.calldata import Value
from orchestrator.executions.request import RunRequest
from orchestrator.runtime.port import Line

LEADER, VALIDATOR = "Leader", "Validator"

# Clients look for these texts (manager-api 6.4): the first refuses a request, the second fails a run.
NOT_RUNNING = "modules are required but not running (is_sync=false with 'n' permission)"
NOT_ALL_RUNNING = "modules are required but not all are running"

Metrics = Mapping[str, Value]
"""What a run used of the modules, as manager-api 3.4 shows it under `metrics`."""


class ModulesNotRunning(Exception):
    """A run needs both modules, and one of them does not run; the text is the clients' (manager-api 6.4)."""


@dataclass(frozen=True, slots=True)
class Introduction:
    """Who a session is for: what the module believes, whatever the executor says (modules 1.6).

    `deadline_ms`: milliseconds that the run has left. `host_data` holds secrets.
    """

    run: int
    role: str
    host_data: str = field(repr=False)
    gas_data: Mapping[str, Value]
    initial_time_units_allocation: int
    deadline_ms: int


class Modules(Protocol):
    """Both modules, as the executions see them."""

    async def require(self) -> None:
        """Wait a moment for both to run. Raises ModulesNotRunning."""

    async def connect(self, introduction: Introduction, *, required: bool) -> dict[str, Line]:
        """Sessions for a run: module name → the executor's way to it, which the caller owns.

        `required`: both or none; else those that run. Raises ModulesNotRunning.
        """

    async def release(self, run_id: int) -> Metrics | None:
        """End the run's sessions and tell what it used; None when that was nothing. Quick, never raises."""

    def instances(self) -> frozenset[str]:
        """Names of instances that a sweep must not take away."""


def introduction_of(run_id: int, request: RunRequest, deadline_ms: int) -> Introduction:
    """The role is what the request says: on the host table T15a only the node knows it, and the run counts as
    a leader's."""
    gas_data = request.call.passthrough.get("gas_data")
    allocation = request.call.passthrough.get("initial_time_units_allocation")
    return Introduction(
        run=run_id,
        role=LEADER if request.call.leader_nondet_results is None else VALIDATOR,
        host_data=request.call.host_data,
        gas_data=gas_data if isinstance(gas_data, dict) else {},
        initial_time_units_allocation=allocation if type(allocation) is int else 0,
        deadline_ms=deadline_ms,
    )


class NoModules:
    """A manager without modules: no run is connected to any."""

    async def require(self) -> None:
        raise ModulesNotRunning(NOT_RUNNING)

    async def connect(self, introduction: Introduction, *, required: bool) -> dict[str, Line]:
        del introduction
        if required:
            raise ModulesNotRunning(NOT_ALL_RUNNING)
        return {}

    async def release(self, run_id: int) -> Metrics | None:
        del run_id
        return None

    def instances(self) -> frozenset[str]:
        return frozenset()

"""What the operator decides about run requests: what they cost, and what they may ask for."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.api.body import WrongShape
from orchestrator.executions.costs import Costs
from orchestrator.executions.request import DebugLevel

DEBUG_ARGUMENT = "--debug-mode"


@dataclass(frozen=True, slots=True)
class RunRules:
    """`costs`: for every client the same; null: what each client's own manager takes.

    `debug_ceiling` bounds what a request may ask for, `allowed_arguments` are the `extra_args` that are
    taken (manager-api W18). `accept_early`: clients that give up early are answered when the run is queued.
    """

    accept_early: bool = True
    debug_ceiling: DebugLevel = DebugLevel.SAFE_UNBOUNDED
    allowed_arguments: frozenset[str] = frozenset({DEBUG_ARGUMENT})
    costs: Costs | None = None

    def price(self, usual: Costs, *, nondet: bool) -> int:
        costs = self.costs or usual
        return costs.nondet if nondet else costs.sync

    def check_arguments(self, arguments: list[str]) -> None:
        """Raises WrongShape for the first one that is not allowed."""
        for argument in arguments:
            if argument not in self.allowed_arguments:
                raise WrongShape(f"extra_args: {argument[:100]!r} is not allowed by GENVM_ALLOWED_ARGUMENTS")

    def check_debug(self, level: DebugLevel) -> None:
        """Raises WrongShape for a level above the ceiling."""
        if not self.debug_ceiling.reaches(level):
            raise WrongShape(f"debug_mode: {level} is above GENVM_DEBUG_CEILING, {self.debug_ceiling}")

    def debug_by_argument(self, arguments: list[str]) -> DebugLevel:
        """What the old on/off switch gives: clients send it always, so a low ceiling only takes it away."""
        on = DEBUG_ARGUMENT in arguments and self.debug_ceiling.reaches(DebugLevel.SAFE)
        return DebugLevel.SAFE if on else DebugLevel.DISABLED

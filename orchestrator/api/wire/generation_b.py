"""`POST /genvm/run` in calldata with a `major` (manager-api 3.3, generations B1 to B4)."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from orchestrator.api.wire.fields import U32, U64, Flag, Text
from orchestrator.api.wire.rules import RunRules
from orchestrator.api.wire.run_body import CalldataBody
from orchestrator.executions.costs import EARLY_COSTS
from orchestrator.executions.request import DebugLevel, Manners, ResultForm, RunRequest, Selector


class RunBodyB(CalldataBody):
    """What B1 to B4 share: the executor's major, and an answer as early as the rules allow."""

    manners: ClassVar[Manners]

    major: U32

    def asked(self, rules: RunRules, idempotency_key: str | None) -> RunRequest:
        rules.check_arguments(self.extra_args)
        call = self.call(
            selector=self.selector(rules),
            debug=self.debug(rules),
            storage_pages=self.pages(),
            capture_output=self.captures(),
        )
        permits = rules.price(EARLY_COSTS, nondet=self.needs_modules)
        return RunRequest(call, permits, self.minutes(), self.manners, idempotency_key)

    def selector(self, rules: RunRules) -> Selector:
        return Selector(major=self.major)

    def debug(self, rules: RunRules) -> DebugLevel:
        """Raises WrongShape for a level that is not allowed."""
        return rules.debug_by_argument(self.extra_args)

    def pages(self) -> int | None:
        """How many pages of storage a run may touch, where the generation says it so."""
        return None

    @abstractmethod
    def captures(self) -> bool:
        """Whether what the run prints and logs is kept."""


class CapturingBody(RunBodyB):
    capture_output: Flag

    def captures(self) -> bool:
        return self.capture_output


class RunBodyB1(CapturingBody):
    """Told by `storage_pages`."""

    manners = Manners(("T15b",), fuel_width=8, result_form=ResultForm.ABSENT)

    storage_pages: U64

    def pages(self) -> int | None:
        return self.storage_pages


class RunBodyB2(CapturingBody):
    """Told by `data_fees_limit`."""

    manners = Manners(("T9w",), fuel_width=8, result_form=ResultForm.INTEGERS)


class RunBodyB3(CapturingBody):
    """Told by `capture_output` without the keys of the earlier ones."""

    manners = Manners(("T8",), fuel_width=8, result_form=ResultForm.INTEGERS)


class RunBodyB4(RunBodyB):
    """None of the other generations' keys: output is captured by `debug_mode`."""

    manners = Manners(("T8",), fuel_width=32, result_form=ResultForm.INTEGERS)
    reads_always = True

    debug_mode: DebugLevel = DebugLevel.DISABLED
    reroute_to: Text = ""

    def selector(self, rules: RunRules) -> Selector:
        if self.reroute_to and self.debug(rules).reaches(DebugLevel.SAFE):
            return Selector(version=self.reroute_to)
        return super().selector(rules)

    def debug(self, rules: RunRules) -> DebugLevel:
        rules.check_debug(self.debug_mode)
        return self.debug_mode

    def captures(self) -> bool:
        return self.debug_mode.reaches(DebugLevel.SAFE)

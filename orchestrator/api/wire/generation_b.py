"""`POST /genvm/run` in calldata with a `major` (manager-api 3.3, generations B1 to B4)."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from typing import ClassVar

from orchestrator.api.wire.fields import U32, U64, Flag, Text
from orchestrator.api.wire.rules import RunRules
from orchestrator.api.wire.run_body import CalldataBody
from orchestrator.executions.hosts import parse_host
from orchestrator.executions.permits import EARLY_COSTS
from orchestrator.executions.request import DebugLevel, ResultForm, RunRequest, Selector


class RunBodyB(CalldataBody):
    """What B1 to B4 share: the executor's major, and an answer as early as the rules allow."""

    host_tables: ClassVar[tuple[str, ...]]
    result_form: ClassVar[ResultForm] = ResultForm.INTEGERS
    fuel_width: ClassVar[int] = 8

    major: U32

    def run_request(self, rules: RunRules, idempotency_key: str | None = None) -> RunRequest:
        parse_host(self.host)
        rules.check_arguments(self.extra_args)
        return RunRequest(
            selector=self.selector(rules),
            timestamp=self.timestamp,
            message=self.message,
            host=self.host,
            host_data=self.host_data,
            is_sync=self.is_sync,
            permits=rules.price(EARLY_COSTS, nondet=self.needs_modules),
            time_limit=self.minutes(),
            calldata=self.calldata,
            code=self.code,
            permissions=self.granted,
            modules=self.modules,
            debug=self.debug(rules),
            extra_args=tuple(self.extra_args),
            leader_nondet_results=self.leader_results(),
            passthrough=self.passthrough(),
            capture_output=self.captures(),
            result_form=self.result_form,
            answer_started=not rules.accept_early,
            host_tables=self.host_tables,
            fuel_width=self.fuel_width,
            idempotency_key=idempotency_key,
        )

    def selector(self, rules: RunRules) -> Selector:
        return Selector(major=self.major)

    def debug(self, rules: RunRules) -> DebugLevel:
        """Raises WrongShape for a level that is not allowed."""
        return rules.debug_by_argument(self.extra_args)

    @abstractmethod
    def captures(self) -> bool:
        """Whether what the run prints and logs is kept."""


class CapturingBody(RunBodyB):
    capture_output: Flag

    def captures(self) -> bool:
        return self.capture_output


class RunBodyB1(CapturingBody):
    """Told by `storage_pages`."""

    host_tables = ("T15b",)
    result_form = ResultForm.ABSENT

    storage_pages: U64

    def run_request(self, rules: RunRules, idempotency_key: str | None = None) -> RunRequest:
        return replace(super().run_request(rules, idempotency_key), storage_pages=self.storage_pages)


class RunBodyB2(CapturingBody):
    """Told by `data_fees_limit`."""

    host_tables = ("T9w",)


class RunBodyB3(CapturingBody):
    """Told by `capture_output` without the keys of the earlier ones."""

    host_tables = ("T8",)


class RunBodyB4(RunBodyB):
    """None of the other generations' keys: output is captured by `debug_mode`."""

    host_tables = ("T8",)
    fuel_width = 32
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

"""`POST /genvm/run` as JSON (manager-api 3.3, generation A)."""

from __future__ import annotations

from orchestrator.api.wire.fields import U32, Flag
from orchestrator.api.wire.rules import RunRules
from orchestrator.api.wire.run_body import RunBody
from orchestrator.executions.costs import EARLY_COSTS
from orchestrator.executions.request import Call, Manners, ModuleUse, ResultForm, RunRequest, Selector

MANNERS = Manners(host_tables=("T15a",), result_form=ResultForm.ABSENT, log_needs_capture=True)


class RunBodyA(RunBody):
    """The JSON body; keys that are not listed are ignored."""

    major: U32
    capture_output: Flag

    def asked(self, rules: RunRules, idempotency_key: str | None) -> RunRequest:
        rules.check_arguments(self.extra_args)
        call = Call(
            selector=Selector(major=self.major),
            modules=ModuleUse.NONE if self.is_sync else ModuleUse.IF_RUNNING,
            debug=rules.debug_by_argument(self.extra_args),
            **self.told(),
        )
        permits = rules.price(EARLY_COSTS, nondet=not self.is_sync)
        return RunRequest(call, permits, self.minutes(), MANNERS, idempotency_key)

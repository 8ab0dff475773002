"""The `run` map of generation C, over HTTP and over `/ws` (manager-api 3.3, 4)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from genvm_wire.calldata import Value
from orchestrator.api.body import BadKey, WrongShape, shaped
from orchestrator.api.wire.fields import U32, Bytes, Duration, Flag, Text
from orchestrator.api.wire.message import MOMENT, names_a_moment
from orchestrator.api.wire.rules import RunRules
from orchestrator.api.wire.run_body import LONGEST_RUN_MINUTES, CalldataBody
from orchestrator.executions.costs import NEWEST_COSTS
from orchestrator.executions.request import DebugLevel, Manners, ResultForm, RunRequest, Selector

MANNERS = Manners(
    ("T9n",),
    fuel_width=32,
    result_form=ResultForm.BASE64,
    answer_started=True,
    tell_node=False,
    one_run_per_host=False,
    checked_result=True,
    any_major=True,
)
MANAGER_HOST = 1
LONGEST_KEY = 1024


class _Closed(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class MajorSelector(_Closed):
    kind: Literal["major"]
    major: U32


class VersionSelector(_Closed):
    kind: Literal["version"]
    version: Text


class UnsafeOverrides(_Closed):
    """Honoured only where the debug level allows it, otherwise ignored."""

    reroute_to: Text = ""
    initial_recursion: U32 | None = None


class RunBodyC(CalldataBody):
    """Told by `selector`. What it starts is answered when it has started, and it needs no waking."""

    wakes_host: ClassVar[bool] = False
    reads_always: ClassVar[bool] = True

    selector: Annotated[MajorSelector | VersionSelector, Field(discriminator="kind")]
    debug_mode: DebugLevel = DebugLevel.DISABLED
    permissions: Text = "wscn"
    unsafe_overrides: UnsafeOverrides = UnsafeOverrides()
    host_genvm_id: Annotated[Text, Field(max_length=LONGEST_KEY)] | None = None
    deadline: Duration | None = None
    host_hello_data: tuple[Bytes, ...] = Field((), fail_fast=True)
    hook_cross_contract_calls: Flag = False

    @model_validator(mode="before")
    @classmethod
    def _executed_when(cls, body: Any) -> Any:
        """A message that names no moment is executed at the run's own, never at one of our choosing."""
        message = body.get("message") if isinstance(body, dict) else None
        if not isinstance(message, dict) or names_a_moment(message) or "timestamp" not in body:
            return body
        return {**body, "message": {**message, MOMENT: body["timestamp"]}}

    def asked(self, rules: RunRules, idempotency_key: str | None) -> RunRequest:
        rules.check_arguments(self.extra_args)
        rules.check_debug(self.debug_mode)
        if "\0" in (self.host_genvm_id or ""):
            raise BadKey("host_genvm_id must not contain NUL")
        if any(self.host_hello_data[MANAGER_HOST : MANAGER_HOST + 1]):
            raise WrongShape(f"host_hello_data for manager-owned host index {MANAGER_HOST} is not allowed")
        call = self.call(
            selector=self._selector(),
            debug=self.debug_mode,
            capture_output=self.debug_mode.reaches(DebugLevel.SAFE),
            hello=self.host_hello_data[0] if self.host_hello_data else b"",
        )
        permits = rules.price(NEWEST_COSTS, nondet=self.needs_modules)
        return RunRequest(call, permits, self._time_limit(), MANNERS, self.host_genvm_id or idempotency_key)

    def passthrough(self) -> Mapping[str, Value]:
        found = dict(super().passthrough())
        found["hook_cross_contract_calls"] = self.hook_cross_contract_calls
        recursion = self.unsafe_overrides.initial_recursion
        if recursion is not None and self.debug_mode.reaches(DebugLevel.UNSAFE):
            found["initial_recursion"] = recursion
        return found

    def _selector(self) -> Selector:
        override = self.unsafe_overrides.reroute_to
        if override and self.debug_mode.reaches(DebugLevel.SAFE):
            return Selector(version=override)
        match self.selector:
            case MajorSelector(major=major):
                return Selector(major=major)
            case VersionSelector(version=version):
                return Selector(version=version)

    def _time_limit(self) -> timedelta:
        longest = timedelta(minutes=LONGEST_RUN_MINUTES)
        return self.minutes() if self.deadline is None else min(self.deadline, longest)


def run_request_from_c(
    body: Mapping[str, Any], rules: RunRules, idempotency_key: str | None = None
) -> RunRequest:
    """The run that a decoded `run` map asks for. Raises WrongShape, BadHostAddress."""
    return shaped(RunBodyC, body).run_request(rules, idempotency_key)

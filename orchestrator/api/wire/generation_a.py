"""`POST /genvm/run` as JSON (manager-api 3.3, generation A)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from genvm_wire.calldata import Value
from orchestrator.api.wire.message import message_of
from orchestrator.contracts.timestamps import parse_timestamp
from orchestrator.executions.hosts import parse_host
from orchestrator.executions.permits import NONDET_COST, SYNC_COST
from orchestrator.executions.request import ModuleUse, ResultForm, RunRequest, Selector

U32 = Annotated[int, Field(ge=0, lt=2**32, strict=True)]
U64 = Annotated[int, Field(ge=0, lt=2**64, strict=True)]
Flag = Annotated[bool, Field(strict=True)]


def _unicode(text: str) -> str:
    """JSON can spell half a surrogate pair, which no UTF-8 can carry."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("must be valid Unicode") from None
    return text


Text = Annotated[str, Field(strict=True), AfterValidator(_unicode)]

DEBUG_ARGUMENT = "--debug-mode"
LONGEST_RUN_MINUTES = 24 * 60
HOST_TABLES = ("T15a",)


def _timestamp(value: Any) -> datetime:
    if not isinstance(value, str):
        raise ValueError("must be an RFC 3339 text")
    return parse_timestamp(value)


def _message(value: Any) -> dict[str, Value]:
    if not isinstance(value, dict):
        raise ValueError("must be an object")
    return message_of(value)


class RunBodyA(BaseModel):
    """The JSON body; keys that are not listed are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True, arbitrary_types_allowed=True)

    major: U32
    message: Annotated[Any, BeforeValidator(_message)]
    is_sync: Flag
    capture_output: Flag
    max_execution_minutes: U64 = 20
    host_data: Text
    timestamp: Annotated[datetime, BeforeValidator(_timestamp)]
    host: Text
    extra_args: list[Text] = []

    def run_request(self, *, accept_early: bool, idempotency_key: str | None) -> RunRequest:
        """What this body asks for. Raises BadHostAddress."""
        parse_host(self.host)
        minutes = min(self.max_execution_minutes, LONGEST_RUN_MINUTES)
        return RunRequest(
            selector=Selector(major=self.major),
            timestamp=self.timestamp,
            message=self.message,
            host=self.host,
            host_data=self.host_data,
            is_sync=self.is_sync,
            permits=SYNC_COST if self.is_sync else NONDET_COST,
            time_limit=timedelta(minutes=minutes),
            modules=ModuleUse.NONE if self.is_sync else ModuleUse.IF_RUNNING,
            debug=DEBUG_ARGUMENT in self.extra_args,
            extra_args=tuple(self.extra_args),
            capture_output=self.capture_output,
            result_form=ResultForm.ABSENT,
            log_needs_capture=True,
            answer_started=not accept_early,
            host_tables=HOST_TABLES,
            idempotency_key=idempotency_key,
        )

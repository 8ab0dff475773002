"""What the bodies of `POST /genvm/run` have in common (manager-api 3.3.1)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from typing import Annotated, Any, ClassVar

import structlog
from pydantic import BaseModel, ConfigDict, Field, model_validator

from genvm_wire import calldata
from genvm_wire.calldata import CalldataError, Value
from orchestrator.api.body import WrongShape
from orchestrator.api.wire.fields import U64, Bytes, Flag, Message, Text, Timestamp
from orchestrator.api.wire.rules import RunRules
from orchestrator.executions.request import CALL_FIELDS, Call, ModuleUse, RunRequest

log = structlog.get_logger(__name__)

LONGEST_RUN_MINUTES = 24 * 60
# What the executor gets as it came; these keys are known, any other is passed on too and noted in the log.
OPAQUE_KEYS = frozenset(
    {
        "bucket_totals",
        "data_fees_limit",
        "gas_data",
        "initial_time_units_allocation",
        "message_fee_allocation",
        "receipt_word_cost",
        "record_actions",
        "storage_page_cost",
    }
)
SHOWN_KEYS = 8
# What the newest node software calls the leader's results, which it has from a result's key of that name.
LATER_LEADER = "leader_public_data"


class RunBody(BaseModel):
    """A body of any generation. `wakes_host`: a refused client goes on waiting in accept() (W3)."""

    model_config = ConfigDict(extra="ignore", frozen=True, arbitrary_types_allowed=True)
    wakes_host: ClassVar[bool] = True

    message: Message
    is_sync: Flag
    max_execution_minutes: U64 = 20
    host_data: Annotated[
        Text, Field(description="JSON text; with modules an object with node_address, tx_id")
    ]
    timestamp: Timestamp
    host: Annotated[Text, Field(description="unix:///path or host:port of the node's listening socket")]
    # Of many wrong entries each would be a failure of its own, made while nothing else runs.
    extra_args: list[Text] = Field([], fail_fast=True)

    def told(self) -> dict[str, Any]:
        """What a call has by the same name; lists are tuples there."""
        names = _of_a_call(type(self))
        return {
            name: tuple(value) if isinstance(value := getattr(self, name), list) else value for name in names
        }

    def minutes(self) -> timedelta:
        return timedelta(minutes=min(self.max_execution_minutes, LONGEST_RUN_MINUTES))

    def run_request(self, rules: RunRules, idempotency_key: str | None = None) -> RunRequest:
        """What this body asks for. Raises WrongShape, BadKey, BadHostAddress, HostRefused."""
        return self.asked(rules, idempotency_key).checked()

    @abstractmethod
    def asked(self, rules: RunRules, idempotency_key: str | None) -> RunRequest:
        """What this body asks for, wherever the node is. Raises WrongShape, BadKey."""


class CalldataBody(RunBody):
    """A body in calldata: the call's data and code travel with it, and what only the executor understands."""

    model_config = ConfigDict(extra="allow", frozen=True, arbitrary_types_allowed=True)

    calldata: Bytes
    code: Bytes | None
    permissions: Text = "rwscn"
    no_modules: Flag = False
    leader_nondet_results: Annotated[list[Bytes], Field(fail_fast=True)] | None = None

    # Where reading is always allowed its letter is gone from the requests; the executor still wants it.
    reads_always: ClassVar[bool] = False

    @model_validator(mode="before")
    @classmethod
    def _under_the_name_we_know(cls, said: Any) -> Any:
        if not isinstance(said, dict) or said.get(LATER_LEADER) is None:
            return said
        if said.get("leader_nondet_results") is not None:
            raise ValueError(f"{LATER_LEADER} is another name of leader_nondet_results: send one of them")
        if not isinstance(said[LATER_LEADER], list):
            raise ValueError(f"{LATER_LEADER} is not a list")
        others = {name: value for name, value in said.items() if name != LATER_LEADER}
        return {**others, "leader_nondet_results": said[LATER_LEADER]}

    @property
    def granted(self) -> str:
        implied = "r" if self.reads_always and "r" not in self.permissions else ""
        return implied + self.permissions

    @property
    def needs_modules(self) -> bool:
        return not self.no_modules and not self.is_sync and "n" in self.permissions

    @property
    def modules(self) -> ModuleUse:
        return ModuleUse.REQUIRED if self.needs_modules else ModuleUse.NONE

    def call(self, **own: Any) -> Call:
        """What runs; `own` are the fields that each generation fills in another way."""
        found = {
            "permissions": self.granted,
            "modules": self.modules,
            "passthrough": self.passthrough(),
        }
        return Call(**{**self.told(), **found, **own})

    def passthrough(self) -> Mapping[str, Value]:
        """What is not ours to read. Raises WrongShape when it is too deep to be passed on."""
        found: dict[str, Value] = dict(self.model_extra or {})
        _refuse_later(found)
        unknown = sorted(key[:40] for key in found if key not in OPAQUE_KEYS)
        if unknown:
            log.info("unknown_keys_in_run_request", keys=unknown[:SHOWN_KEYS], count=len(unknown))
        try:
            # Within the journal's and the job's maps it is two levels deeper than it was in the body.
            calldata.encode([[found]])
        except CalldataError as error:
            raise WrongShape(f"the request is too deeply nested: {error}") from None
        return found


@cache
def _of_a_call(body: type[RunBody]) -> tuple[str, ...]:
    return tuple(name for name in CALL_FIELDS if name in body.model_fields)


def _refuse_later(found: Mapping[str, Value]) -> None:
    """Raises WrongShape, naming the key."""
    if isinstance(found.get("bucket_totals"), dict):
        raise WrongShape("bucket_totals by name are not supported: send a list")

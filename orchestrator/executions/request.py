"""What a run needs, whatever client asked for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from genvm_wire.calldata import Value
from orchestrator.access.caller import DEFAULT_NAMESPACE
from orchestrator.contracts.versions import PATTERN_PREFIX
from orchestrator.executions.hosts import parse_host


class ResultForm(StrEnum):
    """How the status of this run shows the result bytes (manager-api 3.4)."""

    ABSENT = "absent"
    INTEGERS = "integers"
    BASE64 = "base64"


class ModuleUse(StrEnum):
    """Whether a run is connected to the llm and web modules (manager-api 3.2)."""

    NONE = "none"
    IF_RUNNING = "if_running"
    REQUIRED = "required"
    """the run is refused when they do not run"""


class DebugLevel(StrEnum):
    """What a run may do that a plain one may not, least first (manager-api 3.3.1)."""

    DISABLED = "disabled"
    SAFE = "safe"
    SAFE_UNBOUNDED = "safe-unbounded"
    UNSAFE = "unsafe"
    UNSAFE_TRACING = "unsafe-tracing"

    @property
    def rank(self) -> int:
        return _RANKS[self]

    def reaches(self, other: DebugLevel) -> bool:
        return self.rank >= other.rank


_RANKS = {level: rank for rank, level in enumerate(DebugLevel)}


@dataclass(frozen=True, slots=True)
class Selector:
    """Which executor: the newest of a major at a time, or one version by name or `re:` pattern."""

    major: int | None = None
    version: str | None = None
    line: str | None = None
    """with `major`: the contract's line, where it is known"""

    @property
    def is_pattern(self) -> bool:
        return self.version is not None and self.version.startswith(PATTERN_PREFIX)


EMPTY = "empty"
"""Of a call's field that is bulk: what is there once it is let go."""


@dataclass(frozen=True, slots=True)
class Call:
    """What runs, as the client asked for it. Nothing of it says which generation of clients that was.

    `message` has addresses as addresses, integers as integers. `modules`: whether the run is connected to
    them. `hello`: bytes for the node, before anything else is said on its connection (host-protocol 2.2).
    `passthrough`: what the executor gets as it came.

    A further field is spelt here, and in the body and in the job message that have it by the same name.
    """

    selector: Selector = field(metadata={EMPTY: Selector()})
    timestamp: datetime
    message: Mapping[str, Value] = field(metadata={EMPTY: {}})
    host: str
    host_data: str = field(metadata={EMPTY: ""})
    is_sync: bool
    calldata: bytes | None = field(default=None, metadata={EMPTY: None})
    code: bytes | None = field(default=None, metadata={EMPTY: None})
    permissions: str = field(default="rwscn", metadata={EMPTY: ""})
    modules: ModuleUse = ModuleUse.NONE
    debug: DebugLevel = DebugLevel.DISABLED
    extra_args: tuple[str, ...] = field(default=(), metadata={EMPTY: ()})
    storage_pages: int | None = None
    leader_nondet_results: tuple[bytes, ...] | None = field(default=None, metadata={EMPTY: None})
    passthrough: Mapping[str, Value] = field(default_factory=dict, metadata={EMPTY: {}})
    capture_output: bool = True
    hello: bytes = b""

    def without_bulk(self) -> Call:
        return replace(self, **BULK)


CALL_FIELDS = tuple(one.name for one in fields(Call))
BULK: Mapping[str, Any] = {one.name: one.metadata[EMPTY] for one in fields(Call) if EMPTY in one.metadata}
"""What nobody needs once the job is under way, or before the run's turn, and what is there instead."""


@dataclass(frozen=True, slots=True)
class Manners:
    """How a client wants to be treated: one constant for each generation, at the edge.

    `host_tables`: those that its node speaks, best first; empty: whatever the version has. `fuel_width`:
    bytes of a fuel amount there, null: the executor's own. `result_form`: of the result in a status.
    `log_needs_capture`: without captured output the log is null. `answer_started`: it is answered when the
    run started, whatever the operator says. `tell_node`: when the run ends and nobody connected to `host`,
    connect once and close, so that a node waiting in accept() wakes up (manager-api W3). `one_run_per_host`:
    `host` is a fresh socket per attempt, so the same request for it again is a retry. `checked_result`: a
    result that breaks host-protocol 8.3 counts as a crash. `any_major`: where no version has the major, the
    newest of all does.
    """

    host_tables: tuple[str, ...] = ()
    fuel_width: int | None = None
    result_form: ResultForm = ResultForm.ABSENT
    log_needs_capture: bool = False
    answer_started: bool = False
    tell_node: bool = True
    one_run_per_host: bool = True
    checked_result: bool = False
    any_major: bool = False


@dataclass(frozen=True, slots=True)
class RunRequest:
    """A run, as the executions see it: what runs, how its client is treated, and on which terms.

    `permits` is what the run costs. `namespace`: who sees it, and whose idempotency key it is.
    `size`: bytes that it came in, about; what is large is encoded aside from the event loop.
    """

    call: Call
    permits: int
    time_limit: timedelta
    manners: Manners = Manners()
    idempotency_key: str | None = None
    namespace: str = DEFAULT_NAMESPACE
    size: int = field(default=0, compare=False)

    @property
    def host(self) -> str:
        """Where the node listens."""
        return self.call.host

    def checked(self) -> RunRequest:
        """The same. Raises BadHostAddress, and HostRefused for a node that can be none."""
        parse_host(self.host)
        return self

    def within(self, namespace: str) -> RunRequest:
        """The same run as one of `namespace`."""
        return self if self.namespace == namespace else replace(self, namespace=namespace)

    def without_bulk(self) -> RunRequest:
        """What is left when the run has its job, or waits for its turn: code alone can be 64 MiB."""
        return replace(self, call=self.call.without_bulk(), size=0)

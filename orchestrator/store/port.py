"""What the executions write down, in plain values, and what they read back.

A run's row is written when the run is accepted, when it is about to be handed over, when its outcome is known
and when its instance is gone. Nobody is told of an outcome before it is here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from orchestrator.access.caller import DEFAULT_NAMESPACE
from orchestrator.distribution import Distribution

ROW_OVERHEAD = 512
"""Bytes of a row beside what a run printed and returned, about."""


class StoreFailure(Exception):
    """Root of what a journal raises; the text is for the operator.

    StoreFailure
    ├── StoreFull          no space left: nothing of the write is there
    ├── StoreUnavailable   the database does not answer
    ├── RowUnstorable      this row cannot be stored, however often it is tried
    ├── KeyTaken           a new run repeats one that another manager has
    ├── StoreFenced        another manager has taken this one's runs over
    └── StoreUnusable      the database is not one of ours, or a newer version's
    """


class StoreFull(StoreFailure):
    """No space left for the write; nothing of it is there."""


class StoreUnavailable(StoreFailure):
    """The database does not answer."""


class RowUnstorable(StoreFailure):
    """What the row holds cannot be stored: trying again does not help."""


class StoreUnusable(StoreFailure):
    """The database cannot be this manager's journal."""


class StoreFenced(StoreFailure):
    """What this manager writes counts no longer: its lease had ended, and its runs are another's."""


class KeyTaken(StoreFailure):
    """The new run is one that another manager has: nothing of it is written."""

    def __init__(self, run_id: int) -> None:
        super().__init__(f"the request is run {run_id}'s, which another manager has")
        self.run_id = run_id


@dataclass(frozen=True, slots=True)
class KnownBy:
    """What a repeated request would be known by: a key of its namespace and host; without one by `digest`,
    while nobody has connected to the host."""

    namespace: str
    host: str
    key: str | None
    digest: bytes


@dataclass(frozen=True, slots=True)
class AcceptedRow:
    """A new run. Times are microseconds since the epoch; `request` and `terms` are calldata.

    `request` is what is needed to run it and goes away with the outcome; `terms` are what is needed to
    tell of it afterwards.
    """

    id: int
    state: str
    accepted_at: int
    deadline: int
    permits: int
    key: str | None
    request: bytes
    terms: bytes
    namespace: str = DEFAULT_NAMESPACE
    known_by: KnownBy | None = None
    """For managers that share a journal; it has no column."""


@dataclass(frozen=True, slots=True)
class ProgressRow:
    """Where a run is now. `instance` is its name in the runtime; `dialled`: its node has been
    connected to, or was just about to be.
    """

    id: int
    state: str
    version: str
    started_at: int | None
    engine_id: str | None
    instance: str | None
    dialled: bool


@dataclass(frozen=True, slots=True)
class OutcomeRow:
    """How a run ended, with everything that is kept of it. `log` is JSON, `stats` is calldata."""

    id: int
    state: str
    cause: str
    reason: str | None
    finished_at: int
    exit_code: int | None
    oom_killed: bool
    host_connected: bool
    delivered: bool
    error: str | None
    result: bytes | None
    stats: bytes
    stdout: bytes
    stdout_total: int
    stderr: bytes
    stderr_total: int
    log: bytes

    @property
    def size(self) -> int:
        """What the run takes in the journal from now on, about, in bytes."""
        return ROW_OVERHEAD + sum(
            map(len, (self.result or b"", self.stdout, self.stderr, self.log, self.stats))
        )


@dataclass(frozen=True, slots=True)
class FetchedRow:
    """A client has the final status."""

    id: int
    fetched_at: int


@dataclass(frozen=True, slots=True)
class ForgottenRows:
    """Runs past their retention: their rows go."""

    ids: Sequence[int]


@dataclass(frozen=True, slots=True)
class WithdrawnKey:
    """The same request again is a new run."""

    id: int


@dataclass(frozen=True, slots=True)
class RecoveryMark:
    """The run that a starting manager is about to take over, for the how many-th time; id 0: none."""

    id: int
    tries: int


@dataclass(frozen=True, slots=True)
class LookRow:
    """Written to see whether the journal can be. `at`, microseconds since the epoch, changes each time:
    a database does not write what is there already.
    """

    at: int


Write = (
    AcceptedRow
    | ProgressRow
    | OutcomeRow
    | FetchedRow
    | ForgottenRows
    | WithdrawnKey
    | RecoveryMark
    | LookRow
)


@dataclass(frozen=True, slots=True)
class RunHead:
    """What is known of a run without its bulk. `has_result`: its executor reported one."""

    id: int
    state: str
    accepted_at: int
    deadline: int
    permits: int
    key: str | None
    namespace: str
    terms: bytes
    version: str
    started_at: int | None
    engine_id: str | None
    instance: str | None
    dialled: bool
    cause: str | None
    host_connected: bool | None
    finished_at: int | None
    fetched_at: int | None
    size: int
    has_result: bool


@dataclass(frozen=True, slots=True)
class RunRow:
    """A whole row; `request` is null once there is an outcome, `outcome` until there is one."""

    head: RunHead
    request: bytes | None
    outcome: OutcomeRow | None


@dataclass(frozen=True, slots=True)
class JournalStatistics:
    """`commits`: seconds of those that succeeded; `rows`: written by them; `waiting`: those that are not."""

    commits: Distribution
    failures: int
    rows: int
    waiting: int


class Journal(Protocol):
    """One manager's journal. Writes are applied in the order of the calls, each batch atomically."""

    async def last_id(self) -> int:
        """The greatest id ever given out; 0 in an empty journal."""

    def heads(self) -> AsyncIterator[RunHead]:
        """All runs, oldest first, read piece by piece: whoever wants no list of them holds few at a time.

        A run that is written meanwhile is among them or not. Raises StoreUnavailable.
        """

    async def read(self, run_id: int) -> RunRow | None:
        """One run, whole."""

    async def recovery_mark(self) -> RecoveryMark:
        """The last mark written: of a manager that did not get past that run, unless its id is 0."""

    async def size(self) -> int:
        """Bytes that the journal takes on disk, other managers' rows in the same database included."""

    async def write(self, row: Write, *, durable: bool = False) -> None:
        """Return when the row survives this process, with `durable` when it survives a power cut.

        Raises StoreFull, StoreUnavailable, RowUnstorable.
        """

    def note(self, row: Write) -> None:
        """Write without waiting; a failure is logged, and the next awaited write tells of it."""

    def statistics(self) -> JournalStatistics:
        """Since this manager's start; waits for nothing."""

    async def aclose(self) -> None:
        """Write what is noted, then close."""

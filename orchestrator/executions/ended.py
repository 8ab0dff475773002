"""What is held in memory of a run whose story is over; there may be a hundred thousand of them. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from struct import Struct

from orchestrator.executions.keys import RunKey
from orchestrator.executions.plain import micros, moment

_NUMBERS = Struct("<6q")
_NEVER = -(1 << 63)
"""Instead of a time that there was not."""


@dataclass(frozen=True, slots=True)
class EndedKind:
    """What many ended runs have in common, held once for all of them."""

    state: str
    version: str
    cause: str
    namespace: str
    crashed: bool


_shared = lru_cache(maxsize=1024)(EndedKind)


@dataclass(frozen=True, slots=True)
class EndedRun:
    """A run whose story is over. Its times are numbers, packed: as objects they took four times as much."""

    id: int
    kind: EndedKind
    key: RunKey | None
    numbers: bytes
    """Microseconds of the four times, the size, and when it was fetched."""

    @classmethod
    def of(
        cls,
        *,
        id: int,
        state: str,
        version: str,
        cause: str,
        accepted_at: datetime,
        started_at: datetime | None,
        deadline: datetime,
        finished_at: datetime,
        namespace: str,
        key: RunKey | None,
        size: int,
        crashed: bool = False,
        fetched_at: datetime | None = None,
    ) -> EndedRun:
        """`size` is what the run takes in the journal, in bytes; `crashed`: see `state.is_crash`."""
        numbers = _NUMBERS.pack(
            micros(accepted_at),
            _count(started_at),
            micros(deadline),
            micros(finished_at),
            size,
            _count(fetched_at),
        )
        return cls(id, _shared(state, version, cause, namespace, crashed), key, numbers)

    def fetched(self, now: datetime) -> EndedRun:
        """The same run, fetched now."""
        *others, _ = _NUMBERS.unpack(self.numbers)
        return replace(self, numbers=_NUMBERS.pack(*others, micros(now)))

    @property
    def state(self) -> str:
        return self.kind.state

    @property
    def version(self) -> str:
        return self.kind.version

    @property
    def cause(self) -> str:
        return self.kind.cause

    @property
    def namespace(self) -> str:
        return self.kind.namespace

    @property
    def crashed(self) -> bool:
        return self.kind.crashed

    @property
    def accepted_at(self) -> datetime:
        return moment(self._number(0))

    @property
    def started_at(self) -> datetime | None:
        return _moment(self._number(1))

    @property
    def deadline(self) -> datetime:
        return moment(self._number(2))

    @property
    def finished_at(self) -> datetime:
        return moment(self._number(3))

    @property
    def size(self) -> int:
        return self._number(4)

    @property
    def fetched_at(self) -> datetime | None:
        return _moment(self._number(5))

    @property
    def was_fetched(self) -> bool:
        return self._number(5) != _NEVER

    def until(self, keep: int, keep_fetched: int) -> int:
        """When its time is over, `keep` after its end or `keep_fetched` after its fetch, in microseconds."""
        *_, finished, _, fetched = _NUMBERS.unpack(self.numbers)
        until: int = finished + keep
        return until if fetched == _NEVER else min(until, fetched + keep_fetched)

    def _number(self, place: int) -> int:
        number: int = _NUMBERS.unpack(self.numbers)[place]
        return number


def _count(at: datetime | None) -> int:
    return _NEVER if at is None else micros(at)


def _moment(count: int) -> datetime | None:
    return None if count == _NEVER else moment(count)

"""The tables of managers that share a journal, and their rows as plain values. PostgreSQL only.

They are made when a manager with others is started, and are no part of a lone manager's schema. A manager's
runs are the rows of `genvm_runs` that it owns; taking a dead one's over is giving its rows another owner.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

from orchestrator.store.port import RunHead

metadata = MetaData()

cluster = Table(
    "genvm_cluster",
    metadata,
    Column("name", String(16), primary_key=True),
    Column("next_id", BigInteger, nullable=False),
    Column("permits", Integer, nullable=False),
)
"""One row; whoever changes who has how much holds its lock."""

members = Table(
    "genvm_members",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("address", Text, nullable=False),
    Column("engine", Text, nullable=False),
    Column("state_dir", Text, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("lease_until", DateTime(timezone=True), nullable=False),
    Column("gone", Boolean, nullable=False),
    Column("share", Integer, nullable=False),
    Column("in_use", Integer, nullable=False),
    Column("short_of", Integer, nullable=False),
    Column("short_run", BigInteger),
    Column("short_since", DateTime(timezone=True)),
)

run_keys = Table(
    "genvm_run_keys",
    metadata,
    Column("hash", LargeBinary, primary_key=True),
    Column("run", BigInteger, nullable=False),
    Column("digest", LargeBinary),
    Index("genvm_run_keys_run", "run"),
)
"""Which run a repeated request means, whichever manager it comes to. With a digest: the same request only."""

left_runs = Table(
    "genvm_left_runs",
    metadata,
    Column("run", BigInteger, primary_key=True, autoincrement=False),
    Column("home", String(64), nullable=False),
)
"""Runs whose instances carry another manager's id than their owner's: they were taken over from `home`."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a manager's instances are: which engine has them, and its state directory on that machine."""

    engine: str
    state_dir: str


@dataclass(frozen=True, slots=True)
class Member:
    """One manager as the others see it. `alive`: its lease has not ended, by the database's clock."""

    id: str
    address: str
    alive: bool
    in_use: int
    short: bool
    """It waits for permits that others have to give back."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a manager's runs hold, and what those that wait would take.

    `share`: beyond which it admits nobody until it is told of another one.
    """

    share: int
    in_use: int
    waiting: int = 0
    head: int = 0
    """Permits of the run that waits first."""
    head_run: int | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """What a renewed lease comes with. `permits`: of all managers; `share`: of them, this manager's.

    A smaller share than before is asked for: it is the others' once the manager says that it goes by it.
    """

    permits: int
    share: int
    others: Sequence[Member]
    orders: int
    """How many orders for all managers there ever were."""

    @property
    def in_use_elsewhere(self) -> int:
        return sum(member.in_use for member in self.others)


@dataclass(frozen=True, slots=True)
class TakenRun:
    """`place`: where its instance is, if it has one; null: the new owner's own engine."""

    head: RunHead
    place: tuple[str, Place] | None


@dataclass(frozen=True, slots=True)
class Takeover:
    """What a dead manager left; `permits`: its share, on top of the new owner's until its runs are known."""

    runs: Sequence[TakenRun]
    permits: int
    late: float
    """Seconds since its lease ended, by the database's clock."""


@dataclass(frozen=True, slots=True)
class Joining:
    """Who becomes a member. `lease`: seconds. `permits`: of all managers, where nobody has said yet, or with
    `insist`."""

    id: str
    address: str
    place: Place
    lease: float
    permits: int
    insist: bool = False

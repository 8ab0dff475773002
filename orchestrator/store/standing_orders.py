"""What all managers on a journal are told to have: each module, and the variables of configurations.

One row each, with a number that every order raises: two managers that are told different things at the same
moment are told one after the other here. A configuration or a value may be a secret: none is ever in a row.
Who gave the last order is, because that manager knows them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    ScalarSelect,
    String,
    Table,
    func,
    select,
    update,
)

from orchestrator.store.members import metadata
from orchestrator.store.upsert import upsert

standing_orders = Table(
    "genvm_standing_orders",
    metadata,
    Column("subject", String(16), primary_key=True),
    Column("revision", BigInteger, nullable=False),
    Column("wanted", Boolean, nullable=False),
    Column("by_default", Boolean, nullable=False),
    Column("allow_empty_backends", Boolean, nullable=False),
    Column("user_error", Boolean, nullable=False),
    Column("manager", String(64), nullable=False),
)


@dataclass(frozen=True, slots=True)
class StandingOrder:
    """`revision` 0: none was ever given. `by_default`: with the default file, which each manager has.

    `manager`: who gave it.
    """

    revision: int = 0
    wanted: bool = False
    by_default: bool = False
    allow_empty_backends: bool = False
    user_error: bool = False
    manager: str = ""


NONE_GIVEN = StandingOrder()


def orders_in(connection: Connection) -> Mapping[str, StandingOrder]:
    """By subject; one that is missing was never ordered."""
    rows = connection.execute(select(standing_orders)).all()
    return {row.subject: StandingOrder(*row[1:]) for row in rows}


def give(connection: Connection, subject: str, order: StandingOrder, *, since: int | None) -> int | None:
    """Make `order` the one that stands; its number. Null: another was given since number `since`."""
    mine = (standing_orders.c.subject == subject,)
    none_yet = upsert(standing_orders).values(asdict(NONE_GIVEN) | {"subject": subject})
    connection.execute(none_yet.on_conflict_do_nothing())
    number = select(standing_orders.c.revision).where(*mine).with_for_update()
    revision = int(connection.scalar(number) or 0)
    if since is not None and revision != since:
        return None
    given = replace(order, revision=revision + 1)
    connection.execute(update(standing_orders).where(*mine).values(asdict(given)))
    return given.revision


def orders_given() -> ScalarSelect[int]:
    """How many there ever were, for a query that asks something else as well."""
    return select(func.coalesce(func.sum(standing_orders.c.revision), 0)).scalar_subquery()

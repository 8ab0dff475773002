"""The journal's tables, and the steps from one schema to the next."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    insert,
    inspect,
    select,
    text,
    update,
)

from orchestrator.access.caller import DEFAULT_NAMESPACE
from orchestrator.store.port import StoreUnusable

metadata = MetaData()

properties = Table(
    "genvm_properties",
    metadata,
    Column("owner", String(64), primary_key=True),
    Column("name", String(64), primary_key=True),
    Column("value", BigInteger, nullable=False),
)

runs = Table(
    "genvm_runs",
    metadata,
    Column("owner", String(64), primary_key=True),
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("state", String(32), nullable=False),
    Column("accepted_at", BigInteger, nullable=False),
    Column("deadline", BigInteger, nullable=False),
    Column("permits", Integer, nullable=False),
    Column("key", Text),
    Column("namespace", String(64), nullable=False, server_default=DEFAULT_NAMESPACE),
    Column("terms", LargeBinary, nullable=False),
    Column("request", LargeBinary),
    Column("version", String(128), nullable=False, default=""),
    Column("started_at", BigInteger),
    Column("engine_id", String(128)),
    Column("instance", String(128)),
    Column("dialled", Boolean, nullable=False, default=False),
    Column("cause", String(32)),
    Column("reason", String(64)),
    Column("finished_at", BigInteger),
    Column("exit_code", Integer),
    Column("oom_killed", Boolean),
    Column("host_connected", Boolean),
    Column("delivered", Boolean),
    Column("error", Text),
    Column("result", LargeBinary),
    Column("stats", LargeBinary),
    Column("stdout", LargeBinary),
    Column("stdout_total", BigInteger),
    Column("stderr", LargeBinary),
    Column("stderr_total", BigInteger),
    Column("log", LargeBinary),
    Column("fetched_at", BigInteger),
    Column("size", BigInteger, nullable=False, default=0),
    Index("genvm_runs_state", "owner", "state"),
)

SCHEMA = "schema"
LAST_ID = "last_id"
LOOKED_AT = "looked_at"
# The schema's version belongs to the database, not to one manager in it.
NOBODY = ""


def _create(connection: Connection) -> None:
    """Tables that are made now are as the last step leaves them: the others find nothing to do."""
    metadata.create_all(connection)


def _add_namespaces(connection: Connection) -> None:
    """Runs of a manager without tokens live in one namespace."""
    _add_column(connection, "namespace", f"VARCHAR(64) DEFAULT '{DEFAULT_NAMESPACE}' NOT NULL")


def _add_column(connection: Connection, name: str, definition: str) -> None:
    """Two managers that share a database may both find it missing; SQLite's has one manager."""
    if any(column["name"] == name for column in inspect(connection).get_columns(runs.name)):
        return
    once = "IF NOT EXISTS " if connection.dialect.name == "postgresql" else ""
    connection.execute(text(f"ALTER TABLE {runs.name} ADD COLUMN {once}{name} {definition}"))


# Step n leads from schema n to n + 1. A step that was released is never changed.
STEPS: Sequence[Callable[[Connection], None]] = (_create, _add_namespaces)


def migrate(connection: Connection) -> None:
    """Bring the database to this version's schema, in the caller's transaction.

    Raises StoreUnusable when a newer version has made it.
    """
    current = _schema(connection)
    if current > len(STEPS):
        raise StoreUnusable(
            f"the journal has schema {current}, this version knows {len(STEPS)}: "
            "it was written by a newer genvm-orchestrator; start that one, or name another journal "
            "(GENVM_DATABASE_URL)"
        )
    for step in STEPS[current:]:
        step(connection)
    where = (properties.c.owner == NOBODY, properties.c.name == SCHEMA)
    if current == 0:
        connection.execute(insert(properties).values(owner=NOBODY, name=SCHEMA, value=len(STEPS)))
    elif current < len(STEPS):
        connection.execute(update(properties).where(*where).values(value=len(STEPS)))


def check_schema(connection: Connection) -> None:
    """Raises StoreUnusable unless the database has this version's schema."""
    current = _schema(connection)
    if current != len(STEPS):
        raise StoreUnusable(f"the journal has schema {current}, this version reads {len(STEPS)}")


def _schema(connection: Connection) -> int:
    if not inspect(connection).has_table(properties.name):
        return 0
    found = connection.scalar(
        select(properties.c.value).where(properties.c.owner == NOBODY, properties.c.name == SCHEMA)
    )
    # A column of SQLite's takes any value.
    if found is not None and not isinstance(found, int):
        raise StoreUnusable(
            "the journal's schema is no number, so that it is none of ours: move it away, "
            "or bring it back from a backup (docs/backup.md)"
        )
    return found or 0

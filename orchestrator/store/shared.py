"""The journal of one manager among several: fenced, and with keys that hold for all of them.

Every batch is written under a lock on the manager's own row, in the epoch that it joined with: who takes its
runs over raises the epoch under the other lock of that row, so that nothing it writes comes after that.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence

from sqlalchemy import Connection, Engine, delete, func, select

from orchestrator.store.failures import translated
from orchestrator.store.journal import SqlJournal, open_engine, pieces
from orchestrator.store.members import Joining, left_runs, members, run_keys
from orchestrator.store.membership import Membership, join
from orchestrator.store.port import (
    AcceptedRow,
    ForgottenRows,
    KeyTaken,
    OutcomeRow,
    StoreFenced,
    WithdrawnKey,
    Write,
)
from orchestrator.store.tables import runs
from orchestrator.store.upsert import upsert

SHUTDOWN = "shutdown"
"""The cause of runs that were lost with their manager: their clients ask again for a result."""
HASH_BYTES = 16


def nothing() -> None:
    """For whoever looks at the failure."""


async def open_shared_journal(
    url: str, who: Joining, fenced: Callable[[], None] = nothing
) -> tuple[SharedJournal, Membership]:
    """Join the managers that share the journal, and open it. Raises StoreUnusable, StoreUnavailable.

    `fenced` is called on the writer's thread when others have this manager's runs, before anybody hears it.
    """
    stalled = int(who.lease * 1000 / 3)
    # Who stands still in the middle of a transaction holds locks that those who take over would wait for.
    settings = {"idle_in_transaction_session_timeout": stalled}
    engine = await asyncio.to_thread(open_engine, url, settings)
    try:
        membership = await join(url, who)
    except BaseException:
        await asyncio.to_thread(engine.dispose)
        raise
    return SharedJournal(engine, who.id, membership.epoch, fenced), membership


class SharedJournal(SqlJournal):
    """A `SqlJournal` of the manager `owner`, which is a member since `epoch`."""

    def __init__(self, engine: Engine, owner: str, epoch: int, fenced: Callable[[], None] = nothing) -> None:
        super().__init__(engine, owner)
        self._fenced = fenced
        self._epoch = epoch
        self._mine = (
            select(members.c.epoch).where(members.c.id == owner).with_for_update(key_share=True, read=True)
        )

    def _apply(self, rows: Sequence[Write], durable: bool) -> None:
        with translated(), self._engine.connect() as connection:
            if not durable:
                connection.exec_driver_sql("SET LOCAL synchronous_commit TO off")
            if connection.scalar(self._mine) != self._epoch:
                self._fenced()
                raise StoreFenced("another manager has taken this one's runs over")
            for row in rows:
                self._apply_one(connection, row)
            connection.commit()

    def _apply_one(self, connection: Connection, row: Write) -> None:
        if isinstance(row, AcceptedRow):
            self._take_keys(connection, row)
        super()._apply_one(connection, row)
        match row:
            case OutcomeRow() if row.cause == SHUTDOWN:
                _drop_keys(connection, [row.id])
            case WithdrawnKey():
                _drop_keys(connection, [row.id])
            case ForgottenRows():
                _drop_keys(connection, row.ids)
                for ids in pieces(row.ids):
                    connection.execute(delete(left_runs).where(left_runs.c.run.in_(ids)))

    @staticmethod
    def _take_keys(connection: Connection, row: AcceptedRow) -> None:
        """Raises KeyTaken where the request repeats another manager's run."""
        known = row.known_by
        if known is None:
            return
        one = hash_of(known.namespace, known.host, known.key)
        digest = known.digest if known.key is None else None
        connection.execute(select(func.pg_advisory_xact_lock(int.from_bytes(one[:8], "big", signed=True))))
        same = select(run_keys.c.run).join(runs, runs.c.id == run_keys.c.run).where(run_keys.c.hash == one)
        if digest is not None:
            waits = (run_keys.c.digest == digest, runs.c.dialled.is_(False), runs.c.cause.is_(None))
            same = same.where(*waits)
        if (taken := connection.scalar(same)) is not None:
            raise KeyTaken(int(taken))
        values = {"hash": one, "run": row.id, "digest": digest}
        entry = upsert(run_keys).values(values)
        connection.execute(entry.on_conflict_do_update(index_elements=["hash"], set_=values))


def _drop_keys(connection: Connection, ids: Sequence[int]) -> None:
    for some in pieces(ids):
        connection.execute(delete(run_keys).where(run_keys.c.run.in_(some)))


def hash_of(namespace: str, host: str, key: str | None) -> bytes:
    """What a run is known by; the parts cannot be mistaken for each other's."""
    parts = [namespace.encode(), host.encode(), b"" if key is None else b"\1" + key.encode()]
    text = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    return hashlib.blake2b(text, digest_size=HASH_BYTES).digest()

"""One manager's place among those that share a PostgreSQL journal: lease, fencing, share of permits, ids.

All of it goes by the database's clock and row locks. Calls are synchronous, on a thread of their own that
nothing else can keep busy: a renewal that waits behind a reader of large rows would cost the lease.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Row,
    Select,
    create_engine,
    func,
    select,
    text,
    update,
)
from sqlalchemy.pool import QueuePool

from orchestrator.store.failures import translated
from orchestrator.store.journal import HEAD_COLUMNS, MIGRATION_LOCK, pieces
from orchestrator.store.members import (
    Joining,
    Member,
    Place,
    Standing,
    TakenRun,
    Takeover,
    Usage,
    cluster,
    left_runs,
    members,
    metadata,
)
from orchestrator.store.port import RunHead, StoreFenced
from orchestrator.store.server import client_options
from orchestrator.store.shares import Claim, share_of
from orchestrator.store.standing_orders import StandingOrder, give, orders_given, orders_in
from orchestrator.store.tables import properties, runs
from orchestrator.store.upsert import upsert

T = TypeVar("T")

ONE = "cluster"
QUEUED = "queued"
GREATEST_ID = 2**63 - 1
NOW = func.clock_timestamp()
MILLISECONDS = 1000


class Membership:
    """Of the manager `id`, which the others reach at `address`. `lease`: seconds. Make it with `join`."""

    def __init__(self, engine: Engine, me: str, epoch: int, lease: float, standing: Standing) -> None:
        self._engine = engine
        self._lease = lease
        self._thread = ThreadPoolExecutor(1, "lease")
        self.id = me
        self.epoch = epoch
        self.at_first = standing

    async def renew(self, usage: Usage) -> Standing:
        """Make the lease a whole one again, and settle the share. Raises StoreFenced, StoreUnavailable."""
        return await self._call(partial(self._renew, usage))

    async def leave(self) -> None:
        """End the lease now: what is left is the others'."""
        await self._call(self._leave)

    async def take_over(self, dead: str) -> Takeover | None:
        """Make a dead manager's runs this one's, its permits with them; null when it is not dead, or another
        was first. Raises StoreFenced, StoreUnavailable."""
        return await self._call(partial(self._take_over, dead))

    async def reserve_ids(self, count: int) -> int:
        """The first of so many ids that nobody else gets."""
        return await asyncio.to_thread(self._in_transaction, partial(_reserve, count=count))

    async def set_permits(self, permits: int) -> None:
        """Of all managers; their shares follow as each renews its lease."""
        change = update(cluster).values(permits=permits)
        await asyncio.to_thread(self._in_transaction, lambda connection: connection.execute(change))

    async def orders(self) -> Mapping[str, StandingOrder]:
        """What all managers are told to have, by subject."""
        return await asyncio.to_thread(self._in_transaction, orders_in)

    async def give_order(self, subject: str, order: StandingOrder, *, since: int | None = None) -> int | None:
        """Tell all of them; the order's number. Null: another was given since the one numbered `since`.

        Raises StoreFenced, StoreUnavailable; after the latter it may have been given all the same.
        """
        work = partial(self._give_order, subject=subject, order=replace(order, manager=self.id), since=since)
        return await asyncio.to_thread(self._in_transaction, work)

    async def owner_of(self, run_id: int, sees: str | None) -> Member | None:
        """Whose run that is: another's or this one's. Of the namespace `sees` alone; null: of any."""
        work = partial(self._owner_of, run_id=run_id, sees=sees)
        return await asyncio.to_thread(self._in_transaction, work)

    async def left_behind(self) -> Mapping[int, str]:
        """Runs that others have taken over and not ended yet, with the names of their instances here."""
        return await asyncio.to_thread(self._in_transaction, self._left_behind)

    async def places(self) -> list[TakenRun]:
        """This manager's unfinished runs whose instances carry another manager's id."""
        return await asyncio.to_thread(self._in_transaction, self._places)

    async def heads_of_others(
        self, after: int, before: int, *, newest_first: bool, limit: int
    ) -> list[tuple[str, RunHead]]:
        """Runs of the other managers with ids between the two, with their managers."""
        order = runs.c.id.desc() if newest_first else runs.c.id
        between = (runs.c.id > after, runs.c.id < min(before, GREATEST_ID))
        return await self._heads(self._of_others().where(*between).order_by(order).limit(limit))

    async def others_unfetched(self, limit: int) -> list[tuple[str, RunHead]]:
        """Their newest runs whose final status nobody has."""
        waiting = self._of_others().where(runs.c.fetched_at.is_(None))
        return await self._heads(waiting.order_by(runs.c.id.desc()).limit(limit))

    def _of_others(self) -> Select[Any]:
        query = select(runs.c.owner, *HEAD_COLUMNS)
        return query.where(runs.c.owner != self.id, runs.c.owner.in_(select(members.c.id)))

    async def _heads(self, query: Select[Any]) -> list[tuple[str, RunHead]]:
        def read(connection: Connection) -> list[tuple[str, RunHead]]:
            return [(str(row[0]), RunHead(*row[1:])) for row in connection.execute(query)]

        return await asyncio.to_thread(self._in_transaction, read)

    async def aclose(self) -> None:
        await asyncio.to_thread(self._thread.shutdown)
        await asyncio.to_thread(self._engine.dispose)

    async def _call(self, work: Callable[[Connection], T]) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, partial(self._in_transaction, work))

    def _in_transaction(self, work: Callable[[Connection], T]) -> T:
        with translated(), self._engine.begin() as connection:
            return work(connection)

    def _give_order(
        self, connection: Connection, *, subject: str, order: StandingOrder, since: int | None
    ) -> int | None:
        epoch = select(members.c.epoch).where(members.c.id == self.id)
        if connection.scalar(epoch.with_for_update(key_share=True, read=True)) != self.epoch:
            raise StoreFenced("this manager's lease had ended, and another one has taken its runs over")
        return give(connection, subject, order, since=since)

    def _renew(self, usage: Usage, connection: Connection) -> Standing:
        permits = _locked(connection)
        now, orders, rows = _all(connection)
        mine = next((row for row in rows if row.id == self.id), None)
        if mine is None or mine.epoch != self.epoch:
            raise StoreFenced("this manager's lease had ended, and another one has taken its runs over")
        others = [row for row in rows if row.id != self.id and not row.gone]
        claims = [_claim(row, now) for row in others]
        claim = _claim(mine, now, usage)
        target = share_of(permits, claim, claims, waiting=usage.waiting)
        # What is given back is the others' only once this manager has said that it goes by it.
        share = max(target, usage.share)
        short = usage.head > 0 and usage.in_use + usage.head > share and share < permits
        values = {
            "lease_until": _lease_end(self._lease),
            "share": share,
            "in_use": usage.in_use,
            "short_of": usage.head if short else 0,
            "short_run": usage.head_run if short else None,
            "short_since": (mine.short_since if _same_head(mine, usage) else now) if short else None,
        }
        connection.execute(update(members).where(members.c.id == self.id).values(values))
        return Standing(permits, target, [_member(row, now) for row in others], orders)

    def _leave(self, connection: Connection) -> None:
        mine = (members.c.id == self.id, members.c.epoch == self.epoch)
        connection.execute(update(members).where(*mine).values(lease_until=NOW))

    def _take_over(self, dead: str, connection: Connection) -> Takeover | None:
        _locked(connection)
        row = connection.execute(select(members).where(members.c.id == dead).with_for_update()).one_or_none()
        mine = connection.execute(
            select(members).where(members.c.id == self.id).with_for_update()
        ).one_or_none()
        if mine is None or mine.epoch != self.epoch:
            raise StoreFenced("this manager's lease had ended, and another one has taken its runs over")
        now = connection.scalar(select(NOW))
        if row is None or row.gone or row.lease_until >= now:
            return None
        connection.execute(
            update(members)
            .where(members.c.id == dead)
            .values(epoch=row.epoch + 1, gone=True, share=0, in_use=0, short_of=0, short_since=None)
        )
        taken = self._take_rows(connection, dead)
        # All of its share, whatever the journal says that its runs hold: it may have begun more than it could
        # write down.
        more = update(members).where(members.c.id == self.id).values(share=members.c.share + row.share)
        connection.execute(more)
        return Takeover(taken, row.share, (now - row.lease_until).total_seconds())

    def _take_rows(self, connection: Connection, dead: str) -> list[TakenRun]:
        theirs = runs.c.owner == dead
        # Rows from before this database was shared may have ids that this manager has given out, too.
        twin = runs.alias()
        free = ~select(twin.c.id).where(twin.c.owner == self.id, twin.c.id == runs.c.id).exists()
        ids = list(connection.scalars(select(runs.c.id).where(theirs, free).order_by(runs.c.id)))
        if not ids:
            return []
        left = select(runs.c.id, text(":home")).where(theirs, runs.c.cause.is_(None)).params(home=dead)
        connection.execute(upsert(left_runs).from_select(["run", "home"], left).on_conflict_do_nothing())
        taken: list[TakenRun] = []
        for some in pieces(ids):
            connection.execute(update(runs).where(theirs, runs.c.id.in_(some)).values(owner=self.id))
            taken += self._runs_with_places(connection, runs.c.id.in_(some))
        return taken

    def _places(self, connection: Connection) -> list[TakenRun]:
        unfinished = self._runs_with_places(connection, runs.c.cause.is_(None))
        return [one for one in unfinished if one.place is not None]

    def _runs_with_places(self, connection: Connection, which: ColumnElement[bool]) -> list[TakenRun]:
        query = (
            select(*HEAD_COLUMNS, left_runs.c.home, members.c.engine, members.c.state_dir)
            .outerjoin(left_runs, left_runs.c.run == runs.c.id)
            .outerjoin(members, members.c.id == left_runs.c.home)
            .where(runs.c.owner == self.id, which)
            .order_by(runs.c.id)
        )
        return [self._taken(*row) for row in connection.execute(query)]

    def _taken(self, *row: Any) -> TakenRun:
        *head, home, engine, state_dir = row
        place = None if home in (None, self.id) else (str(home), Place(engine or "", state_dir or ""))
        return TakenRun(RunHead(*head), place)

    def _owner_of(self, connection: Connection, *, run_id: int, sees: str | None) -> Member | None:
        query = (
            select(members, NOW.label("now"))
            .join(runs, runs.c.owner == members.c.id)
            .where(runs.c.id == min(run_id, GREATEST_ID))
            # Of rows from before the database was shared, one's own come first.
            .order_by((members.c.id == self.id).desc())
        )
        if sees is not None:
            query = query.where(runs.c.namespace == sees)
        row = connection.execute(query).first()
        return None if row is None else _member(row, row.now)

    def _left_behind(self, connection: Connection) -> Mapping[int, str]:
        query = (
            select(runs.c.id, runs.c.instance)
            .join(left_runs, left_runs.c.run == runs.c.id)
            .where(left_runs.c.home == self.id, runs.c.owner != self.id, runs.c.cause.is_(None))
        )
        return {row.id: row.instance or f"run-{row.id}" for row in connection.execute(query)}


async def join(url: str, who: Joining) -> Membership:
    """Become a member, or one again; the journal's tables are there. Raises StoreUnavailable."""
    return await asyncio.to_thread(_join, url, who)


def _join(url: str, who: Joining) -> Membership:
    with translated():
        engine = create_engine(
            url,
            poolclass=QueuePool,
            pool_size=2,
            pool_pre_ping=True,
            connect_args=bounded(url, who.lease),
        )
        try:
            with engine.begin() as connection:
                connection.execute(select(func.pg_advisory_xact_lock(MIGRATION_LOCK)))
                metadata.create_all(connection)
                _found(connection, who.permits)
            with engine.begin() as connection:
                epoch, standing = _enter(connection, who)
        except BaseException:
            engine.dispose()
            raise
        return Membership(engine, who.id, epoch, who.lease, standing)


def bounded(url: str, lease: float) -> dict[str, Any]:
    """For a connection: nothing waits longer than a part of the lease, and a manager that stands still in the
    middle of a transaction loses it before its lease ends, with the locks that others wait for."""
    third = max(1, int(lease * MILLISECONDS / 3))
    names = ("statement_timeout", "idle_in_transaction_session_timeout")
    return client_options(url, dict.fromkeys(names, third), longest_connect=lease / 3)


def _found(connection: Connection, permits: int) -> None:
    """The cluster's row: ids go on above all that were ever given out in this database."""
    highest = connection.scalar(select(func.max(runs.c.id)))
    noted = connection.scalar(select(func.max(properties.c.value)).where(properties.c.name == "last_id"))
    values = {"name": ONE, "next_id": max(highest or 0, noted or 0) + 1, "permits": permits}
    connection.execute(upsert(cluster).values(values).on_conflict_do_nothing())


def _enter(connection: Connection, who: Joining) -> tuple[int, Standing]:
    permits = _locked(connection)
    if who.insist and permits != who.permits:
        permits = who.permits
        connection.execute(update(cluster).values(permits=permits))
    begun = (runs.c.owner == who.id, runs.c.cause.is_(None), runs.c.state != QUEUED)
    held = int(connection.scalar(select(func.coalesce(func.sum(runs.c.permits), 0)).where(*begun)) or 0)
    values = {
        "address": who.address, "engine": who.place.engine, "state_dir": who.place.state_dir,
        "lease_until": _lease_end(who.lease), "gone": False, "share": held, "in_use": held,
        "short_of": 0, "short_run": None, "short_since": None,
    }  # fmt: skip
    entry = upsert(members).values(values | {"id": who.id, "epoch": 1})
    epoch = connection.scalar(
        entry.on_conflict_do_update(
            index_elements=["id"], set_=values | {"epoch": members.c.epoch + 1}
        ).returning(members.c.epoch)
    )
    now, orders, rows = _all(connection)
    others = [_member(row, now) for row in rows if row.id != who.id and not row.gone]
    return int(epoch or 0), Standing(permits, held, others, orders)


def _reserve(connection: Connection, *, count: int) -> int:
    change = update(cluster).values(next_id=cluster.c.next_id + count).returning(cluster.c.next_id - count)
    return int(connection.scalar(change) or 0)


def _locked(connection: Connection) -> int:
    """The permits of all; from here on nobody else changes who has how many."""
    return int(connection.scalar(select(cluster.c.permits).with_for_update()) or 0)


def _all(connection: Connection) -> tuple[Any, int, Sequence[Row[Any]]]:
    """The database's time, how many orders there were, and the members."""
    now, orders = connection.execute(select(NOW, orders_given())).one()
    return now, int(orders), connection.execute(select(members)).all()


def _lease_end(seconds: float) -> Any:
    return NOW + text(f"interval '{seconds:f} seconds'")


def _member(row: Row[Any], now: Any) -> Member:
    return Member(
        row.id, row.address, row.lease_until >= now and not row.gone, row.in_use, row.short_since is not None
    )


def _claim(row: Row[Any], now: Any, usage: Usage | None = None) -> Claim:
    short_for = None if row.short_since is None else (now - row.short_since).total_seconds()
    in_use = row.in_use if usage is None else usage.in_use
    return Claim(row.share, in_use, row.short_of if usage is None else usage.head, short_for)


def _same_head(row: Row[Any], usage: Usage) -> bool:
    """Whether the run that waits first is the one that was short of permits before."""
    return row.short_since is not None and row.short_run == usage.head_run

"""Managers that share a PostgreSQL journal: leases, fencing, permits, ids and keys, in the database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from orchestrator.access.caller import DEFAULT_NAMESPACE
from orchestrator.store import journal as store_journal
from orchestrator.store.journal import SqlJournal, open_journal
from orchestrator.store.members import Joining, Place, Usage
from orchestrator.store.membership import Membership
from orchestrator.store.port import (
    AcceptedRow,
    ForgottenRows,
    KeyTaken,
    KnownBy,
    OutcomeRow,
    ProgressRow,
    StoreFenced,
    WithdrawnKey,
)
from orchestrator.store.shared import open_shared_journal

LEASE = 60.0
PERMITS = 8
MakeMember = Callable[..., Awaitable[tuple[SqlJournal, Membership]]]


@pytest.fixture
async def join(database: str) -> AsyncIterator[MakeMember]:
    opened: list[SqlJournal | Membership] = []

    async def make(
        name: str, permits: int = PERMITS, *, insist: bool = False
    ) -> tuple[SqlJournal, Membership]:
        place = Place("engine", f"/state/{name}")
        who = Joining(name, f"http://{name}:3999", place, LEASE, permits, insist)
        journal, member = await open_shared_journal(database, who)
        opened.extend((journal, member))
        return journal, member

    yield make
    for one in opened:
        await one.aclose()


async def end_lease(url: str, name: str) -> None:
    """As if it had ended by the database's clock."""

    def change() -> None:
        engine = create_engine(url, poolclass=NullPool)
        with engine.begin() as connection:
            past = "UPDATE genvm_members SET lease_until = now() - interval '1 second' WHERE id = :id"
            connection.execute(text(past), {"id": name})

    await asyncio.to_thread(change)


async def leave_ended(url: str, owner: str, count: int) -> None:
    """Rows of so many runs that have ended."""

    def insert() -> None:
        engine = create_engine(url, poolclass=NullPool)
        with engine.begin() as connection:
            rows = (
                "INSERT INTO genvm_runs (owner, id, state, accepted_at, deadline, permits, terms, version,"
                " dialled, cause, size)"
                " SELECT :owner, id, 'finished', 1000, 2000, 1, '', '', true, 'exited', 0"
                " FROM generate_series(1, :count) AS id"
            )
            connection.execute(text(rows), {"owner": owner, "count": count})

    await asyncio.to_thread(insert)


def accepted(run_id: int, key: str | None = None, permits: int = 2) -> AcceptedRow:
    known_by = KnownBy("default", "unix:///node", key, b"digest")
    return AcceptedRow(run_id, "queued", 1_000, 2_000, permits, key, b"request", b"terms", known_by=known_by)


def progress(run_id: int, *, dialled: bool = True) -> ProgressRow:
    return ProgressRow(run_id, "running", "v0.2.7", 1_500, "container", f"run-{run_id}", dialled)


def outcome(run_id: int, cause: str = "exited") -> OutcomeRow:
    return OutcomeRow(
        run_id, "finished", cause, None, 1_900, 0, False, True, True, None,
        b"\0\0", b"\6", b"", 0, b"", 0, b"[]",
    )  # fmt: skip


async def test_ids_are_given_out_once(join: MakeMember) -> None:
    (_, one), (_, other) = await join("one"), await join("other")
    blocks = await asyncio.gather(*(member.reserve_ids(10) for member in (one, other) * 5))
    assert sorted(blocks) == list(range(1, 101, 10))


async def test_ids_go_on_where_lone_managers_were(database: str, join: MakeMember) -> None:
    alone = await open_journal(database, "alone")
    await alone.write(accepted(41))
    await alone.aclose()
    _, member = await join("one")
    assert await member.reserve_ids(1) == 42


async def test_a_key_is_one_run_s_whichever_manager_it_comes_to(join: MakeMember) -> None:
    (one, _), (other, _) = await join("one"), await join("other")
    await one.write(accepted(1, "tx"))
    with pytest.raises(KeyTaken) as taken:
        await other.write(accepted(2, "tx"))
    assert taken.value.run_id == 1
    assert await other.read(2) is None


@pytest.mark.parametrize(
    "end",
    [
        pytest.param(outcome(1, "shutdown"), id="lost with its manager"),
        pytest.param(WithdrawnKey(1), id="withdrawn"),
        pytest.param(ForgottenRows([1]), id="forgotten"),
    ],
)
async def test_a_key_is_free_again(join: MakeMember, end: OutcomeRow | WithdrawnKey | ForgottenRows) -> None:
    (one, _), (other, _) = await join("one"), await join("other")
    await one.write(accepted(1, "tx"))
    await one.write(end)
    await other.write(accepted(2, "tx"))
    assert await other.read(2) is not None


async def test_without_a_key_a_run_is_the_same_until_its_node_is_dialled(join: MakeMember) -> None:
    (one, _), (other, _) = await join("one"), await join("other")
    await one.write(accepted(1))
    with pytest.raises(KeyTaken):
        await other.write(accepted(2))
    await one.write(progress(1))
    await other.write(accepted(3))
    assert await other.read(3) is not None


async def test_two_at_once_with_one_key_are_one_run(join: MakeMember) -> None:
    (one, _), (other, _) = await join("one"), await join("other")
    writes = (one.write(accepted(1, "tx")), other.write(accepted(2, "tx")))
    ended = await asyncio.gather(*writes, return_exceptions=True)
    assert sorted(type(one).__name__ for one in ended) == ["KeyTaken", "NoneType"]


async def test_a_dead_manager_may_leave_more_runs_than_a_statement_names(
    database: str, join: MakeMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_journal, "IDS_AT_ONCE", 2)
    await join("dead")
    mine, member = await join("mine")
    await leave_ended(database, "dead", 5)
    await end_lease(database, "dead")
    takeover = await member.take_over("dead")
    assert takeover is not None
    assert [one.head.id for one in takeover.runs] == [1, 2, 3, 4, 5]
    assert await mine.count() == 5


async def test_a_dead_manager_s_runs_and_permits_come_back(database: str, join: MakeMember) -> None:
    (dead, its), (_, mine) = await join("dead"), await join("mine")
    assert (await its.renew(Usage(0, 0, 4, 2, 1))).share == 4
    for run_id, row in ((1, progress(1)), (2, None), (3, outcome(3))):
        await dead.write(accepted(run_id, f"tx-{run_id}"))
        if row is not None:
            await dead.write(row)
    assert await mine.take_over("dead") is None, "its lease has not ended"
    await end_lease(database, "dead")
    taken = await mine.take_over("dead")
    assert taken is not None
    assert [one.head.id for one in taken.runs] == [1, 2, 3]
    assert [one.place is None for one in taken.runs] == [False, False, True]
    assert taken.permits == 4, "nobody else has them before it is known what its runs hold"
    assert (await mine.renew(Usage(4, 4, 12, 2, 2))).share == PERMITS
    assert await mine.take_over("dead") is None, "there is nothing twice"
    for sees, owner in (
        (None, await mine.owner_of(1, None)),
        (DEFAULT_NAMESPACE, await mine.owner_of(1, DEFAULT_NAMESPACE)),
    ):
        assert owner is not None, sees
        assert owner.id == "mine"
    assert await mine.owner_of(1, "another") is None


async def test_nothing_is_written_after_the_takeover(database: str, join: MakeMember) -> None:
    (frozen, its), (heir, mine) = await join("frozen"), await join("mine")
    await frozen.write(accepted(1))
    await end_lease(database, "frozen")
    assert await mine.take_over("frozen") is not None
    for row in (accepted(2), progress(1), outcome(1)):
        with pytest.raises(StoreFenced):
            await frozen.write(row)
    with pytest.raises(StoreFenced):
        await its.renew(Usage(4, 0))
    kept = await heir.read(1)
    assert kept is not None
    assert (kept.head.state, kept.outcome) == ("queued", None)


async def test_a_lease_that_ended_is_renewed_while_nobody_took_over(database: str, join: MakeMember) -> None:
    (journal, member), (_, other) = await join("one"), await join("other")
    await end_lease(database, "one")
    await member.renew(Usage(0, 0))
    assert await other.take_over("one") is None
    await journal.write(accepted(1))


async def test_one_of_many_takes_over(database: str, join: MakeMember) -> None:
    (dead, _), *heirs = [await join(name) for name in ("dead", "a", "b", "c")]
    await dead.write(accepted(1))
    await end_lease(database, "dead")
    taken = await asyncio.gather(*(heir.take_over("dead") for _, heir in heirs))
    assert [len(one.runs) for one in taken if one is not None] == [1]


async def test_a_takeover_does_not_wait_for_a_frozen_transaction(database: str, join: MakeMember) -> None:
    """A frozen manager may hold the lock of its own row; the server ends its transaction."""
    (_, _), (_, mine) = await join("frozen"), await join("mine")
    await end_lease(database, "frozen")
    engine = create_engine(
        database,
        poolclass=NullPool,
        connect_args={"options": "-c idle_in_transaction_session_timeout=100"},
    )
    connection = await asyncio.to_thread(engine.connect)
    lock = text("SELECT epoch FROM genvm_members WHERE id = 'frozen' FOR KEY SHARE")
    await asyncio.to_thread(connection.execute, lock)
    assert await mine.take_over("frozen") is not None
    connection.invalidate()
    await asyncio.to_thread(connection.close)


async def test_a_manager_that_comes_back_knows_what_others_have_of_it(
    database: str, join: MakeMember
) -> None:
    (dead, _), (heir, mine) = await join("dead"), await join("mine")
    await dead.write(accepted(1))
    await dead.write(progress(1))
    await end_lease(database, "dead")
    assert await mine.take_over("dead") is not None
    _, again = await join("dead")
    assert await again.left_behind() == {1: "run-1"}
    [left] = await mine.places()
    assert left.place == ("dead", Place("engine", "/state/dead"))
    await heir.write(outcome(1))
    assert await again.left_behind() == {}


async def test_who_insists_says_how_many_permits_there_are(join: MakeMember) -> None:
    (_, one), (_, other) = await join("one", 8), await join("other", 6)
    assert (await one.renew(Usage(0, 0))).permits == 8
    await join("third", 4, insist=True)
    assert (await other.renew(Usage(0, 0))).permits == 4
    await other.set_permits(10)
    assert (await one.renew(Usage(0, 0))).permits == 10


async def test_what_is_given_back_is_another_s_once_it_is_gone_by(join: MakeMember) -> None:
    """Whoever has just admitted runs within its old share must not lose it under them."""
    (_, one), (_, other) = await join("one"), await join("other")
    full = Usage(0, 0, PERMITS, 1, 1)
    assert (await one.renew(full)).share == PERMITS
    short = Usage(0, 0, 4, 4, 2)
    assert (await other.renew(short)).share == 0
    assert (await one.renew(Usage(PERMITS, 2))).share == 2
    assert (await other.renew(short)).share == 0, "nobody has said yet that it goes by less"
    await one.renew(Usage(2, 2))
    assert (await other.renew(short)).share == 4

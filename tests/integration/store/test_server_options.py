"""What connections to a server are told: the operator's word, with ours beside it."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from orchestrator.store import server
from orchestrator.store.journal import MIGRATION_LOCK, open_journal
from orchestrator.store.membership import bounded
from orchestrator.store.port import StoreUnavailable
from orchestrator.store.server import CONNECT_TIMEOUT, client_options
from orchestrator.store.shared import open_shared_journal
from tests.integration.store.test_membership import accepted
from tests.integration.store.test_standing_orders_in_journal import joining

SERVER = "postgresql+psycopg://u@h/d"
IDLE = "idle_in_transaction_session_timeout"
PATH = "-csearch_path=mine"
LEASE = 9.0


def asked(url: str, *statements: str, **options: object) -> list[object]:
    """What each of them answers on one connection."""
    engine = create_engine(url, poolclass=NullPool, connect_args=options)
    with engine.begin() as connection:
        return [
            found.scalar() if found.returns_rows else None
            for found in (connection.execute(text(statement)) for statement in statements)
        ]


@pytest.fixture(params=["url", "environment"])
def schema_of_its_own(database: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A journal's URL that is in the schema `mine`, whichever way that is said."""
    asked(database, "CREATE SCHEMA mine")
    if request.param == "url":
        return f"{database}&options=-csearch_path%3Dmine"
    monkeypatch.setenv("PGOPTIONS", PATH)
    return database


async def test_managers_that_share_a_journal_have_the_one_that_a_lone_manager_has(
    schema_of_its_own: str,
) -> None:
    alone = await open_journal(schema_of_its_own, "alone")
    await alone.write(accepted(41))
    await alone.aclose()
    journal, member = await open_shared_journal(schema_of_its_own, joining("one"))
    try:
        assert await member.reserve_ids(1) == 42
        count = "SELECT count(*) FROM pg_tables WHERE tablename LIKE 'genvm%' AND schemaname <> 'mine'"
        assert await asyncio.to_thread(asked, schema_of_its_own, count) == [0]
    finally:
        await member.aclose()
        await journal.aclose()


async def test_the_server_hears_of_both(schema_of_its_own: str) -> None:
    url = schema_of_its_own
    names = ("search_path", "statement_timeout", IDLE)
    shows = [f"SHOW {name}" for name in names]
    assert asked(url, *shows, **bounded(url, LEASE)) == ["mine", "3s", "3s"]
    assert asked(url, *shows, **client_options(url)) == ["mine", "0", "0"]


def test_what_the_lease_needs_is_not_the_operator_s_to_change() -> None:
    url = f"{SERVER}?options=-c {IDLE}=0"
    assert client_options(url, {IDLE: 7})["options"] == f"-c {IDLE}=0 -c {IDLE}=7"


@pytest.mark.parametrize(
    ("said", "environment", "alone", "member"),
    [
        ("", None, CONNECT_TIMEOUT, 3),
        ("?connect_timeout=2", None, 2, 2),
        ("?connect_timeout=2", "60", 2, 2),
        ("?connect_timeout=60", None, 60, 3),
        ("?connect_timeout=0", None, 0, 3),
        ("", "2", 2, 2),
        ("", "60", 60, 3),
        ("?connect_timeout=soon", None, "soon", "soon"),
    ],
)
def test_connecting_takes_as_long_as_the_operator_says_and_no_longer_than_the_lease_bears(
    said: str,
    environment: str | None,
    alone: int | str,
    member: int | str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("PGCONNECT_TIMEOUT", raising=False)
    if environment is not None:
        monkeypatch.setenv("PGCONNECT_TIMEOUT", environment)
    url = SERVER + said
    assert client_options(url)["connect_timeout"] == str(alone)
    assert bounded(url, LEASE)["connect_timeout"] == str(member)


async def test_opening_does_not_wait_for_ever_for_what_another_has_locked(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "LOCK_TIMEOUT", 1)
    engine = create_engine(database, poolclass=NullPool)
    with engine.connect() as other:
        other.execute(text(f"SELECT pg_advisory_lock({MIGRATION_LOCK})"))
        with pytest.raises(StoreUnavailable, match="lock timeout"):
            await open_journal(database, "x")
    opened = await open_journal(database, "x")
    await opened.aclose()

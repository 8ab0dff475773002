"""A database as it is, however it was made: the locale of whoever makes one decides how it keeps text."""

from __future__ import annotations

import itertools

import pytest

from orchestrator.store.journal import open_for_reading, open_journal
from orchestrator.store.port import StoreUnusable
from orchestrator.store.shared import open_shared_journal
from tests.integration.store.test_journal import accepted
from tests.integration.store.test_standing_orders_in_journal import joining
from tests.postgres import fresh_database

NUMBERS = itertools.count()
KEY = "ключ €"


async def test_text_is_text_in_a_database_made_under_the_locale_c(postgres_url: str) -> None:
    with fresh_database(postgres_url, f"encoded_{next(NUMBERS)}", "SQL_ASCII") as url:
        journal = await open_journal(url, "x")
        await journal.write(accepted(1, KEY))
        await journal.aclose()
        reader = await open_for_reading(url, "x")
        row = await reader.read(1)
        await reader.aclose()
        assert row is not None and (row.head.key, row.head.state) == (KEY, "queued")
        shared, membership = await open_shared_journal(url, joining("one"))
        await membership.aclose()
        await shared.aclose()


async def test_one_that_lacks_characters_is_refused_before_a_run_has_them(postgres_url: str) -> None:
    with (
        fresh_database(postgres_url, f"encoded_{next(NUMBERS)}", "LATIN1") as url,
        pytest.raises(StoreUnusable, match=r"LATIN1.*ENCODING 'UTF8'"),
    ):
        await open_journal(url, "x")

"""Readiness and the disk: a manager that cannot write runs down says so before one comes."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from orchestrator import composition
from orchestrator.store import writability
from orchestrator.store.journal import open_journal, sqlite_url
from orchestrator.store.port import LookRow, StoreUnavailable, Write
from orchestrator.store.writability import GOOD_LOOKS, PATIENCE, ROOM_AGAIN, Writability
from tests.chaos.small_disk import SmallDisk, small_disk
from tests.integration.manager.conftest import Client, MakeClient
from tests.until import until_told


@pytest.fixture
async def disk(folder: Path) -> AsyncIterator[SmallDisk]:
    with small_disk(folder / "state") as made:
        yield made


async def ready(client: Client) -> tuple[int, str]:
    status, answer = await client.ask("GET", "/readyz")
    assert answer["ready"] is (status == 200)
    return status, answer.get("reason", "")


async def becomes(client: Client, status: int) -> str:
    """Ask until readiness has that status; the reason with it."""

    async def reason() -> tuple[str] | None:
        found, why = await ready(client)
        return (why,) if found == status else None

    return (await until_told(reason))[0]


async def test_a_full_disk_makes_a_manager_unready_and_room_makes_it_ready_again(
    disk: SmallDisk, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(composition, "JOURNAL_LOOK", 0.01)
    client = await make_client(pool_size=0)
    assert await ready(client) == (200, "")
    await asyncio.to_thread(disk.fill)
    reason = await becomes(client, 503)
    assert "No space left" in reason
    assert reason == f"runs cannot be written down: {(await client.ask('GET', '/status'))[1]['journal']}"
    assert await client.ask("GET", "/healthz") == (200, {"status": "ok"})
    await asyncio.to_thread(disk.free)
    await becomes(client, 200)
    assert (await client.ask("GET", "/status"))[1]["journal"] == "writable"


async def test_a_little_room_is_not_enough_again(disk: SmallDisk, tmp_path: Path) -> None:
    journal = await open_journal(sqlite_url(tmp_path / "journal.sqlite"), "me")
    seen = Writability(journal, disk.path)
    try:
        await asyncio.to_thread(disk.fill)
        await seen.look()
        assert seen.trouble is not None
        await asyncio.to_thread(os.truncate, disk.ballast, disk.ballast.stat().st_size - ROOM_AGAIN // 2)
        for _ in range(2 * GOOD_LOOKS):
            await seen.look()
        assert seen.trouble is not None
        await asyncio.to_thread(disk.free)
        for _ in range(GOOD_LOOKS - 1):
            await seen.look()
            assert seen.trouble is not None
        await seen.look()
        assert seen.trouble is None
    finally:
        await journal.aclose()


async def test_a_file_system_that_is_read_only_is_seen(disk: SmallDisk, tmp_path: Path) -> None:
    journal = await open_journal(sqlite_url(tmp_path / "journal.sqlite"), "me")
    seen = Writability(journal, disk.path)
    remount = ("mount", "-o", "remount,ro", disk.path)
    try:
        await seen.look()
        assert seen.trouble is None
        await asyncio.to_thread(subprocess.run, remount, check=True)
        await seen.look()
        assert seen.trouble is not None
        assert "Read-only file system" in seen.trouble
    finally:
        await journal.aclose()


class Broken:
    """A journal whose database fails, or does not answer."""

    def __init__(self) -> None:
        self.failing = True
        self.asked = asyncio.Event()
        self.answer = asyncio.Event()

    async def write(self, row: Write, *, durable: bool = False) -> None:
        assert isinstance(row, LookRow)
        self.asked.set()
        await self.answer.wait()
        if self.failing:
            raise StoreUnavailable("the journal does not answer: the server is gone")


async def test_a_database_that_fails_or_hangs_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Broken()
    seen = Writability(journal, tmp_path)  # type: ignore[arg-type] # it only writes
    now = 0.0
    monkeypatch.setattr(writability, "monotonic", lambda: now)
    look = asyncio.create_task(seen.look())
    await journal.asked.wait()
    assert seen.trouble is None
    now = PATIENCE + 1
    assert seen.trouble is not None
    assert "no answer" in seen.trouble
    journal.answer.set()
    await look
    assert seen.trouble == "the journal does not answer"
    journal.failing = False
    for _ in range(GOOD_LOOKS):
        await seen.look()
    assert seen.trouble is None


async def test_each_look_is_written(tmp_path: Path) -> None:
    """What is there already a database does not write: it would not notice."""
    file = tmp_path / "journal.sqlite"
    journal = await open_journal(sqlite_url(file), "me")
    log = file.with_name("journal.sqlite-wal")
    seen = Writability(journal, tmp_path)
    try:
        sizes = []
        for _ in range(3):
            await seen.look()
            sizes.append(log.stat().st_size)
        assert sizes[0] < sizes[1] < sizes[2]
    finally:
        await journal.aclose()

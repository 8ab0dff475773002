"""Readiness and the disk: a manager that cannot write runs down says so before one comes."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from orchestrator.ready_checks import ReadyTimes
from orchestrator.store import writability
from orchestrator.store.journal import open_journal
from orchestrator.store.port import LookRow, StoreUnavailable, Write
from orchestrator.store.sqlite import sqlite_url
from orchestrator.store.writability import GOOD_LOOKS, MIB, PATIENCE, ROOM_AGAIN, Writability
from tests.chaos.small_disk import SmallDisk, small_disk
from tests.integration.manager.conftest import Client, MakeClient, SetTimes
from tests.integration.manager.module_runs import pid_of
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
    disk: SmallDisk, make_client: MakeClient
) -> None:
    client = await make_client(pool_size=0, ready_times=ReadyTimes(journal_look=0.01))
    assert await ready(client) == (200, "")
    await asyncio.to_thread(disk.fill)

    async def full() -> str | None:
        reason = (await ready(client))[1]
        # On its way there it is below its floor only.
        return reason if "No space left" in reason else None

    reason = await until_told(full)
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


async def test_a_disk_below_its_floor_is_seen_before_it_is_full(disk: SmallDisk, tmp_path: Path) -> None:
    journal = await open_journal(sqlite_url(tmp_path / "journal.sqlite"), "me")
    everything = os.statvfs(disk.path).f_bavail * os.statvfs(disk.path).f_frsize
    seen = Writability(journal, disk.path, everything // 2)
    try:
        await seen.look()
        assert seen.trouble is None
        # Mebibytes, where there are kibibytes of a journal besides.
        await asyncio.to_thread(take, disk, everything * 3 // 4)
        await seen.look()
        named = "(GENVM_DISK_FLOOR_BYTES)"
        assert seen.disk_trouble == f"less than {everything // 2 // MIB} MiB are free {named}"
        assert seen.journal_trouble is None
        # A quarter more is asked for from here on, and said.
        await asyncio.to_thread(take, disk, everything * 9 // 20)
        for _ in range(GOOD_LOOKS):
            await seen.look()
        again = "(GENVM_DISK_FLOOR_BYTES and a quarter, to be ready again)"
        assert seen.disk_trouble == f"less than {everything * 5 // 8 // MIB} MiB are free {again}"
        await asyncio.to_thread(disk.free)
        for _ in range(GOOD_LOOKS):
            await seen.look()
        assert seen.disk_trouble is None, seen.trouble
    finally:
        await journal.aclose()


def take(disk: SmallDisk, size: int) -> None:
    with disk.ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, size)


async def test_modules_that_were_started_are_part_of_readiness(
    make_client: MakeClient, set_times: SetTimes
) -> None:
    set_times(backoff_first=3600.0, backoff_longest=3600.0)
    client = await make_client(ready_times=ReadyTimes(module_patience=0.0, module_settle=0.0))
    assert await ready(client) == (200, "")
    started = await client.ask("POST", "/module/start", json={"module_type": "Llm", "config": {}})
    assert started == (200, {"result": "module_started"})
    assert await ready(client) == (200, "")
    os.kill(pid_of(client, "llm"), signal.SIGKILL)
    assert await becomes(client, 503) == "the llm module does not run"
    assert (await client.ask("GET", "/readyz"))[1]["failing"] == {"llm_module": "the llm module does not run"}
    stopped = await client.ask("POST", "/module/stop", json={"module_type": "Llm"})
    assert stopped[0] == 200
    assert await ready(client) == (200, "")


async def test_a_manifest_without_a_version_for_now_makes_a_manager_unready(client: Client) -> None:
    manifest = client.folder / "manifest.yaml"
    before = manifest.read_text()
    manifest.write_text(before.replace("2024-", "2999-"))
    assert (await client.ask("POST", "/manifest/reload"))[0] == 200
    assert await ready(client) == (503, "the manifest has no version that is available yet")
    manifest.write_text(before)
    assert (await client.ask("POST", "/manifest/reload"))[0] == 200
    assert await ready(client) == (200, "")


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

"""A manager answers while it takes over what an earlier one left, and no row of the journal can stop it."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, UnixConnector

from orchestrator.api import recovering
from orchestrator.api.times import DEFAULT_API_TIMES, ApiTimes
from orchestrator.composition import manager
from orchestrator.executions.recovery import SET_ASIDE
from orchestrator.journal_location import JOURNAL_FILE
from orchestrator.runtime.port import EngineRefused
from orchestrator.runtime.process import ProcessRuntime, ProcessSettings
from orchestrator.runtime_name import RuntimeName
from orchestrator.serve import listening
from orchestrator.settings import Settings
from orchestrator.store.journal import SqlJournal, open_for_reading
from orchestrator.store.port import RecoveryMark, RunHead
from orchestrator.store.sqlite import sqlite_url
from tests.generation_bodies import encoded
from tests.integration.manager.conftest import Client, MakeClient
from tests.integration.manager.journal_rows import leave_behind, queued_row
from tests.until import until_told

FROZEN_START = Path(__file__).with_name("frozen_start.py")


class SlowRuntime(ProcessRuntime):
    """An engine that takes its time to say what instances there are."""

    def __init__(self, settings: ProcessSettings) -> None:
        super().__init__(settings)
        self.asked = asyncio.Event()
        self.answers = asyncio.Event()
        self.refuses = False

    async def sweep(self, keep: frozenset[str]) -> list[str]:
        self.asked.set()
        await self.answers.wait()
        if self.refuses:
            raise EngineRefused("no")
        return await super().sweep(keep)


class Start:
    """A manager that is taking over."""

    def __init__(self, session: ClientSession, engine: SlowRuntime, recovery: asyncio.Task[None]) -> None:
        self.session = session
        self.engine = engine
        self.recovery = recovery

    async def ask(self, method: str, path: str, data: bytes | None = None) -> tuple[int, Any, str | None]:
        async with self.session.request(method, path, data=data) as response:
            return response.status, await response.json(), response.headers.get("Retry-After")


@asynccontextmanager
async def starting(
    folder: Path, *, at_engine: bool = True, api_times: ApiTimes = DEFAULT_API_TIMES
) -> AsyncIterator[Start]:
    settings = Settings(
        runtime=RuntimeName.PROCESS, state_dir=folder / "state", socket=folder / "api.sock", pool_size=0
    )
    engines: list[SlowRuntime] = []

    async def slow(_: Settings, manager_id: str) -> ProcessRuntime:
        engines.append(SlowRuntime(ProcessSettings(manager_id, settings.state_dir, {})))
        return engines[0]

    async with AsyncExitStack() as held:
        running = await held.enter_async_context(manager(settings, slow, api_times=api_times))
        held.callback(engines[0].answers.set)
        await held.enter_async_context(listening(running))
        session = ClientSession("http://manager", connector=UnixConnector(str(settings.socket)))
        await held.enter_async_context(session)
        if at_engine:
            await engines[0].asked.wait()
        yield Start(session, engines[0], running.recovery)


async def test_it_is_alive_and_not_ready_while_it_takes_over(folder: Path) -> None:
    async with starting(folder) as start:
        assert await start.ask("GET", "/healthz") == (200, {"status": "ok"}, None)
        assert await start.ask("GET", "/readyz") == (
            503,
            {"ready": False, "reason": "recovering", "failing": {"recovery": "recovering"}},
            None,
        )
        start.engine.answers.set()
        await start.recovery
        assert await start.ask("GET", "/readyz") == (200, {"ready": True}, None)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/genvm/run"),
        ("GET", "/genvm/1"),
        ("GET", "/status"),
        ("GET", "/ws"),
        ("POST", "/executions/gc"),
    ],
)
async def test_everything_else_waits_a_little_and_is_to_come_again(
    folder: Path, method: str, path: str
) -> None:
    async with starting(folder, api_times=ApiTimes(recovery=0.01)) as start:
        status, answer, retry = await start.ask(method, path)
        assert (status, answer, retry is not None) == (503, {"error": recovering.TEXT}, True)


async def test_a_request_that_is_repeated_meanwhile_finds_its_run(
    make_client: MakeClient, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the journal's rows are read, nothing but waiting tells a new request from a repeated one."""
    host = f"unix://{folder}/sock"
    client = await make_client()
    await leave_behind(client, queued_row(7, host, host_genvm_id="tx", deadline="600s"))
    reading, read = asyncio.Event(), SqlJournal.heads

    async def slowly(journal: SqlJournal) -> AsyncIterator[RunHead]:
        await reading.wait()
        async for head in read(journal):
            yield head

    monkeypatch.setattr(SqlJournal, "heads", slowly)
    async with starting(folder, at_engine=False, api_times=ApiTimes(recovery=3600)) as start:
        body = encoded("C", host, host_genvm_id="tx", deadline="600s")
        start.engine.answers.set()
        asking = asyncio.create_task(start.ask("POST", "/genvm/run", body))

        async def recovering() -> bool:
            return bool((await start.ask("GET", "/readyz"))[1].get("reason") == "recovering")

        await until_told(recovering)
        assert not asking.done()
        reading.set()
        await asking
        listed = (await start.ask("GET", "/executions"))[1]["executions"]
        assert [one["id"] for one in listed] == [7]


async def test_what_keeps_it_from_taking_over_is_said_and_nothing_is_served(folder: Path) -> None:
    async with starting(folder) as start:
        start.engine.refuses = True
        start.engine.answers.set()
        with pytest.raises(EngineRefused):
            await start.recovery
        assert (await start.ask("GET", "/readyz"))[0] == 503


@asynccontextmanager
async def process(folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    one = await asyncio.create_subprocess_exec(
        sys.executable, str(FROZEN_START), str(folder), stdout=asyncio.subprocess.PIPE
    )
    try:
        yield one
    finally:
        if one.returncode is None:
            one.send_signal(signal.SIGKILL)
        await one.wait()


async def mark_of(folder: Path) -> RecoveryMark:
    state = folder / "state"
    name = await asyncio.to_thread((state / "manager-id").read_text)
    journal = await open_for_reading(sqlite_url(state / JOURNAL_FILE), name)
    try:
        return await journal.recovery_mark()
    finally:
        await journal.aclose()


async def has_mark(folder: Path, mark: RecoveryMark) -> bool:
    return await mark_of(folder) == mark


async def stumbled(folder: Path, run_id: int, tries: int) -> None:
    """Until a manager has come to that row for the how many-th time; it is killed there."""
    async with process(folder):
        await until_told(partial(has_mark, folder, RecoveryMark(run_id, tries)))


async def all_causes(session: ClientSession) -> dict[int, str] | None:
    """Why each run ended; null while one has not."""
    async with session.get("/executions") as response:
        runs = {one["id"]: one["cause"] for one in (await response.json())["executions"]}
    return None if None in runs.values() else runs


@pytest.mark.parametrize("fault", ["freeze", "die"])
async def test_a_row_that_stopped_two_managers_is_set_aside_and_the_others_go_on(
    make_client: MakeClient, folder: Path, fault: str
) -> None:
    client: Client = await make_client()
    rows = [
        queued_row(number, f"unix://{folder}/{name}") for number, name in ((1, "a"), (2, fault), (3, "b"))
    ]
    await leave_behind(client, *rows)
    for tries in (1, 2):
        await stumbled(folder, 2, tries)
    async with process(folder) as third:
        assert third.stdout is not None
        assert await third.stdout.readline() == b"recovered\n"
        connector = UnixConnector(str(folder / "api.sock"))
        async with ClientSession("http://manager", connector=connector) as session:
            async with session.get("/executions/2") as response:
                told = await response.json()
            async with session.get("/executions?cause=internal") as response:
                listed = [one["id"] for one in (await response.json())["executions"]]
            runs = await until_told(partial(all_causes, session))
    assert (told["cause"], told["reason"], told["state"]) == ("internal", SET_ASIDE, "failed_to_start")
    assert "stopped 2 times" in told["error"]
    assert listed == [2]
    assert runs == {1: "upstream", 2: "internal", 3: "upstream"}
    assert await mark_of(folder) == RecoveryMark(0, 0)

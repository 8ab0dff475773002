"""`ps`, `inspect`, `logs` and `gc`: through a running manager, and on its journal without one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from genvm_wire import calldata
from orchestrator.executions.run import Run
from orchestrator.store.journal import open_journal
from orchestrator.store.port import AcceptedRow, OutcomeRow
from orchestrator.store.sqlite import sqlite_url
from tests.integration.manager.conftest import Client, listening_node
from tests.integration.operations.commands import command

OWNER = "0123456789ab"


def url(client: Client) -> str:
    return f"unix://{client.folder}/api.sock"


@asynccontextmanager
async def live_run(client: Client, script: dict[str, Any] | None = None) -> AsyncIterator[Run]:
    """A run that goes on until the block is left."""
    body = client.body({**(script or {}), "wait_for_host": None})
    async with listening_node(body["host"]) as node:
        run = client.manager.executions.find(await client.run(body))
        assert run is not None
        await asyncio.shield(run.started)
        yield run
        node.hang_up.set()
        await asyncio.shield(run.released)
        await client.until(lambda: client.manager.executions.find(run.id) is None)


async def ended_run(client: Client, script: dict[str, Any]) -> int:
    body = client.body(script)
    async with listening_node(body["host"]):
        run_id = await client.run(body)
        await client.until(lambda: client.manager.executions.find(run_id) is None)
    return run_id


@pytest.fixture
async def left_behind(tmp_path: Path) -> Path:
    """The state directory of a manager that is gone: run 1 has ended, run 2 has not."""
    (tmp_path / "manager-id").write_text(OWNER)
    journal = await open_journal(sqlite_url(tmp_path / "journal.sqlite"), OWNER)
    terms = calldata.encode(
        {"host": "h:1", "result_form": "absent", "capture_output": True, "log_needs_capture": False}
    )
    for run_id in (1, 2):
        await journal.write(AcceptedRow(run_id, "queued", 1_000_000, 9_000_000, 2, None, terms, terms))
    end = OutcomeRow(
        1, "finished", "signal", None, 5_000_000, None, False, True, False, "it was killed", None,
        calldata.encode({}), b"out", 3, b"err\x1b[2J", 7, b'[{"message": "m"}]',
    )  # fmt: skip
    await journal.write(end)
    await journal.aclose()
    return tmp_path


async def test_ps_lists_live_runs_and_with_all_those_that_ended(client: Client) -> None:
    ended = await ended_run(client, {})
    async with live_run(client) as run:
        live = await command("ps", "--manager", url(client))
        everything = await command("ps", "--all", "--json", "--manager", url(client))
    head, line = live.out.splitlines()
    assert head.split()[:3] == ["ID", "STATE", "CAUSE"]
    assert line.split()[:4] == [str(run.id), "running", "-", "v0.2.7"]
    assert [(one["id"], one["state"]) for one in json.loads(everything.out)] == [
        (run.id, "running"),
        (ended, "finished"),
    ]


async def test_inspect_tells_everything_about_a_run(client: Client) -> None:
    run_id = await ended_run(client, {"signal": 9})
    ran = await command("inspect", str(run_id), "--manager", url(client))
    told = json.loads(ran.out)
    assert (ran.code, told["id"], told["cause"], told["host_connected"]) == (0, run_id, "signal", True)


async def test_logs_go_where_they_were_written_to(client: Client) -> None:
    run_id = await ended_run(client, {"print": "printed\n", "log": [{"message": "m"}]})
    ran = await command("logs", str(run_id), "--manager", url(client))
    assert (ran.code, ran.out, ran.err) == (0, "printed\n", "")
    assert (await command("logs", str(run_id), "--stderr", "--manager", url(client))).out == ""
    log = await command("logs", str(run_id), "--log", "--manager", url(client))
    assert json.loads(log.out) == {"message": "m"}
    told = json.loads((await command("logs", str(run_id), "--json", "--manager", url(client))).out)
    assert told == {"stdout": "printed\n", "stderr": "", "log": [{"message": "m"}]}


async def test_an_unknown_run_exits_with_3_and_its_name(client: Client) -> None:
    ran = await command("inspect", "77", "--manager", url(client))
    assert (ran.code, "run 77 is not known" in ran.err) == (3, True)


async def test_a_manager_that_is_away_is_named(tmp_path: Path) -> None:
    ran = await command("ps", "--manager", "http://127.0.0.1:1")
    assert (ran.code, ran.out) == (1, "")
    assert "no answer from the manager at http://127.0.0.1:1" in ran.err
    ran = await command("ps", "--manager", "http://127.0.0.1:1", "--state-dir", str(tmp_path))
    assert ran.code == 1
    assert "name it with --state-dir" in ran.err


async def test_without_a_manager_the_journal_is_read_and_it_is_said(left_behind: Path) -> None:
    where = ("--state-dir", str(left_behind))
    before = (left_behind / "journal.sqlite").read_bytes()
    ps = await command("ps", "--all", "--json", *where)
    assert [(run["id"], run["state"]) for run in json.loads(ps.out)] == [(2, "queued"), (1, "finished")]
    assert f"journal of {left_behind}" in ps.err
    told = json.loads((await command("inspect", "1", *where)).out)
    assert (told["cause"], told["error"], told["permits"], told["host"]) == (
        "signal",
        "it was killed",
        2,
        "h:1",
    )
    assert (await command("logs", "1", "--stderr", *where)).out == "err\x1b[2J"
    assert (await command("inspect", "3", *where)).code == 3
    assert (left_behind / "journal.sqlite").read_bytes() == before


async def test_gc_goes_through_the_running_manager(client: Client) -> None:
    instances = client.folder / "state" / "instances"
    async with live_run(client) as run:
        (instances / "run-999").mkdir()
        where = ("--manager", url(client), "--state-dir", str(client.folder / "state"))
        dry = await command("gc", "--dry-run", *where)
        assert dry.out.splitlines()[1].split() == ["run-999", "run_unknown"]
        assert "1 would be removed (1 run_unknown)" in dry.out
        assert (instances / "run-999").is_dir()
        done = json.loads((await command("gc", "--json", *where)).out)
        assert done["removed"] == [{"name": "run-999", "reason": "run_unknown"}]
        assert not (instances / "run-999").exists()
        assert (instances / f"run-{run.id}").is_dir()


async def test_gc_refuses_the_directory_of_a_manager_that_it_was_not_to_ask(client: Client) -> None:
    stray = client.folder / "state" / "instances" / "stray"
    stray.mkdir(parents=True)
    ran = await command("gc", "--state-dir", str(client.folder / "state"))
    assert (ran.code, stray.is_dir()) == (1, True)
    assert "another manager" in ran.err
    stray.rmdir()


async def test_gc_without_a_manager_keeps_what_the_next_one_can_adopt(left_behind: Path) -> None:
    for name in ("run-1", "run-2", "run-3"):
        (left_behind / "instances" / name).mkdir(parents=True)
    dry = json.loads((await command("gc", "--dry-run", "--json", "--state-dir", str(left_behind))).out)
    assert dry["reasons"] == {"run_ended": 1, "run_unknown": 1}
    assert len(list((left_behind / "instances").iterdir())) == 3
    done = json.loads((await command("gc", "--json", "--state-dir", str(left_behind))).out)
    assert done["removed"] == dry["removed"]
    assert [path.name for path in (left_behind / "instances").iterdir()] == ["run-2"]


async def test_gc_without_a_journal_removes_nothing(tmp_path: Path) -> None:
    (tmp_path / "manager-id").write_text(OWNER)
    (tmp_path / "instances" / "run-1").mkdir(parents=True)
    ran = await command("gc", "--state-dir", str(tmp_path))
    assert (ran.code, "nothing was removed" in ran.err) == (1, True)
    assert (tmp_path / "instances" / "run-1").is_dir()


async def test_the_manager_of_the_settings_is_asked(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a file or the environment: another one's answers, or its journal's, would be taken for its."""
    ended = await ended_run(client, {"print": "printed\n"})
    config = tmp_path / "manager.yaml"
    config.write_text(f"socket: {client.folder}/api.sock\nstate_dir: {client.folder}/state\n")
    flags = ("--config", str(config))
    ps = await command("ps", "--all", "--json", *flags)
    assert ([one["id"] for one in json.loads(ps.out)], "journal" in ps.err) == ([ended], False), ps
    assert (await command("logs", str(ended), *flags)).out == "printed\n"
    gc = await command("gc", "--json", *flags)
    assert gc.code == 0, gc
    assert json.loads(gc.out)["through"] == f"manager at {url(client)}"
    monkeypatch.setenv("GENVM_SOCKET", f"{client.folder}/api.sock")
    inspected = await command("inspect", str(ended))
    assert (json.loads(inspected.out)["id"], "journal" in inspected.err) == (ended, False), inspected


async def test_a_dry_run_without_the_state_directory_says_what_it_is_for(
    client: Client, tmp_path: Path
) -> None:
    """The manager was named, and answers: to name it once more helps nobody."""
    where = ("--manager", url(client), "--state-dir", str(tmp_path / "elsewhere"))
    ran = await command("gc", "--dry-run", *where)
    assert (ran.code, ran.out) == (1, "")
    assert "name it with --state-dir or --config: a dry run looks at this machine's engine" in ran.err
    assert "--manager" not in ran.err

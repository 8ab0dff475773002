"""A manager that may open few files: clients wait, runs wait, and no failure is told that is none."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

from tests.integration.loop.conftest import Hostile, MakeHostile
from tests.until import until

FILES = 160
FULL = FILES - 50
"""Descriptors in use when no more runs begin, about."""


async def quiet(hostile: Hostile) -> None:
    assert [one for one in hostile.process.log if one["event"] in ("run_defect", "task_failed")] == []


async def test_clients_without_number_leave_the_runs_their_descriptors(make_hostile: MakeHostile) -> None:
    hostile = await make_hostile(files=FILES)
    async with AsyncExitStack() as stack:
        for number in range(2 * FILES):
            _, writer = await hostile.raw(b"GET / HTTP/1.1\r\n" if number % 2 else b"")
            stack.callback(writer.close)
        for _ in range(3):
            run_id = await hostile.run({"print": "x"})
            assert (await hostile.status(run_id))["cause"] == "exited"
        assert hostile.process.descriptors() < FILES - 24
    await quiet(hostile)


async def test_runs_for_which_there_is_no_descriptor_wait_for_one(make_hostile: MakeHostile) -> None:
    hostile = await make_hostile(files=FILES, permits=200)
    count = 60
    for _ in range(count):
        await hostile.run({"hold": 0, "print": "x"})
    runs = list(hostile.runs)
    # So many that not all can begin: the others neither fail nor are lost.
    await until(lambda: hostile.process.descriptors() >= FULL)
    listed = (await hostile.ask("GET", "/status"))[1]["executions"]
    assert all(listed[str(run_id)]["result"] is None for run_id in runs)
    assert {"running", "starting"} <= {listed[str(run_id)]["state"] for run_id in runs}
    ended = asyncio.gather(*(hostile.status(run_id) for run_id in runs))
    let_go = set[Path]()

    def all_ended() -> bool:
        # Each of them once: it holds until then, and what goes on is about to be taken away.
        for directory in set((hostile.process.state_dir / "instances").glob("*")) - let_go:
            (directory / "go_on").touch()
            let_go.add(directory)
        return ended.done()

    await until(all_ended)
    assert {(one["cause"], one["stdout"]) for one in ended.result()} == {("exited", "x")}
    await quiet(hostile)


async def test_an_engine_s_refusal_is_told_however_few_are_left(make_hostile: MakeHostile) -> None:
    hostile = await make_hostile(files=FILES, permits=200)
    for _ in range(60):
        await hostile.run({"hold": 0})
    await until(lambda: hostile.process.descriptors() >= FULL)
    refused = await hostile.run({}, major=2)
    for run_id in hostile.runs[:-1]:
        await hostile.ask("DELETE", f"/genvm/{run_id}", params={"wait_timeout_ms": "0"})
    status = await hostile.status(refused)
    assert (status["cause"], "no-such-program" in status["error"]) == ("engine", True)
    await quiet(hostile)

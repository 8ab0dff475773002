"""No instance stops the loop, whatever it says, nor fills a log or the memory."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest

from tests.integration.loop.conftest import Hostile, MakeHostile
from tests.socket_client import socket_client
from tests.until import until_told

MIB = 1024 * 1024
AT_ONCE = 8
WIDE_LOG = {"wide_records": [64, 5, 2]}
"""All the records that are kept, of 60 KiB each as JSON."""


@pytest.mark.parametrize(
    "script",
    [
        pytest.param({"records": [300_000, 1]}, id="300,000 records in a frame"),
        pytest.param({"records": [200, 20]}, id="as many records as there may be"),
        pytest.param({"wide_records": [100, 14, 20]}, id="wide records"),
        pytest.param({"wide_stats": 4000}, id="wide figures"),
        pytest.param({"flood_of_logs": 0}, id="logs without end"),
        pytest.param({"flood": 0}, id="output without end"),
        pytest.param({"flood_of_bytes": 0}, id="single bytes without end"),
        pytest.param({"large_result": 64 * MIB}, id="a result of 64 MiB"),
        pytest.param({"large_result": 80 * MIB}, id="a result that is too large"),
        pytest.param({"half_a_frame": 70 * MIB}, id="half a frame"),
        pytest.param({"connect_loop": 0}, id="connections without end"),
    ],
)
async def test_frames(hostile: Hostile, script: dict[str, Any]) -> None:
    async def run() -> None:
        for _ in range(AT_ONCE):
            await hostile.run(script)
        # What a run does all the time is seen for a while; the others end.
        waiting = [asyncio.ensure_future(hostile.status(run_id)) for run_id in hostile.runs]
        await asyncio.wait(waiting, timeout=2)
        for one in waiting:
            one.cancel()

    await hostile.never_stops(run)


async def test_what_an_instance_is_handed(hostile: Hostile) -> None:
    """Keys that nobody knows: all of them have to be read and written."""
    keys = {f"{number}".ljust(16 * MIB, "x"): 1 for number in range(7)}

    async def run() -> None:
        await hostile.status(await hostile.run({}, **keys))

    await hostile.never_stops(run)


async def test_a_connect_loop_writes_a_line_and_no_more(make_hostile: MakeHostile) -> None:
    hostile = await make_hostile()
    run_id = await hostile.run({"connect_loop": 0})
    hostile.process.logged("channel_broke")
    begun, seen = len(hostile.process.log), set[int]()

    async def several() -> bool:
        # Each connection that is looked at says how many there were.
        seen.add((await hostile.ask("GET", f"/executions/{run_id}"))[1]["output"]["stdout"]["total_bytes"])
        return len(seen) >= 5

    await until_told(several)
    await hostile.end_all()
    ended = hostile.process.logged("run_ended")
    assert ended["reconnects"] >= 3
    assert [one["event"] for one in hostile.process.log].count("channel_broke") == 1
    assert len(hostile.process.log) - begun < 10


async def test_asking_for_all_that_a_hostile_run_has_printed(hostile: Hostile) -> None:
    run_id = await hostile.run({"print_controls": 5 * MIB, **WIDE_LOG})
    await hostile.status(run_id)

    async def ask() -> None:
        for _ in range(3):
            await hostile.ask("GET", f"/genvm/{run_id}")
            await hostile.ask("GET", f"/executions/{run_id}", params={"output": "true"})
            query = {"field": "stdout", "offset": "0", "max_len": str(MIB)}
            await hostile.ask("GET", f"/genvm/{run_id}/artifact", params=query)

    await hostile.never_stops(ask)


async def test_a_large_result_is_held_once_however_many_ask_for_it(make_hostile: MakeHostile) -> None:
    hostile = await make_hostile(body_bytes=32 * MIB, max_body_bytes=32 * MIB)
    run_id = await hostile.run({"large_result": 16 * MIB})

    async def read() -> None:
        async with hostile.session.get(f"/genvm/{run_id}", params={"wait": "60s"}) as response:
            assert response.status == 200
            async for _ in response.content.iter_any():
                pass

    await read()
    before = hostile.process.most_resident_bytes()
    await hostile.never_stops(lambda: asyncio.gather(*(read() for _ in range(8))))
    assert hostile.process.most_resident_bytes() - before < 150 * MIB


async def test_many_who_wait_for_the_end_of_a_run_that_has_logged_much(hostile: Hostile) -> None:
    async def follow() -> None:
        run_id = await hostile.run({**WIDE_LOG, "print": "x", "hold": 0})
        await hostile.until_printed(run_id)
        async with AsyncExitStack() as held:
            sockets = [await held.enter_async_context(socket_client(hostile.session)) for _ in range(64)]
            for one in sockets:
                await one.attach(run_id)
            for directory in (hostile.process.state_dir / "instances").glob("*"):
                (directory / "go_on").touch()
            for one in sockets:
                assert await one.ended(run_id)

    await hostile.never_stops(follow)


async def test_a_module_that_logs_without_end(make_hostile: MakeHostile) -> None:
    hostile = await make_hostile(module_ping_interval=0.5)

    async def enough() -> bool:
        if sum(one["event"] == "module_log" for one in hostile.process.log) > 500:
            return True
        # It answers no ping meanwhile, and is given up for that.
        return bool((await hostile.ask("GET", "/status"))[1]["llm_module"] != "running")

    async def start() -> None:
        config = {"module_type": "llm", "config": {"flood_of_logs": True}}
        assert (await hostile.ask("POST", "/module/start", json=config))[0] == 200
        await until_told(enough)
        await hostile.ask("POST", "/module/stop", json={"module_type": "llm"})

    await hostile.never_stops(start)

"""Whoever is asked shows the whole, with the manager of each run."""

from __future__ import annotations

import asyncio
import json

from tests.several_managers import Several
from tests.until import until_told

HOLD = json.dumps({"hold": None})


async def test_lists_and_status_show_all_runs_with_their_managers(site: Several) -> None:
    await asyncio.gather(site.start("one"), site.start("other"))
    mine, theirs = await site.run("one", HOLD), await site.run("other", HOLD)
    _, page = await site.ask("one", "GET", "/executions")
    whose = {run["id"]: run["manager"] for run in page["executions"]}
    assert whose == {mine: "one", theirs: "other"}
    _, first = await site.ask("one", "GET", "/executions", params={"limit": 1, "after": 0})
    assert [run["id"] for run in first["executions"]] == [min(mine, theirs)]
    assert first["next"] == {"after": min(mine, theirs)}
    assert (await site.details("one", theirs))["manager"] == "other"

    async def known() -> bool:
        _, status = await site.ask("one", "GET", "/status")
        entry = status["executions"].get(str(theirs), {})
        return bool(entry.get("manager") == "other" and entry["state"] == "running")

    await until_told(known)

    async def both() -> bool:
        # As of its last beat: one that has only just joined is not there yet.
        _, status = await site.ask("one", "GET", "/status")
        assert str(mine) in status["executions"]
        return {one["id"]: one["alive"] for one in status["managers"]} == {"one": True, "other": True}

    await until_told(both)


async def test_permits_are_one_total(site: Several) -> None:
    """Runs of both managers, as many as there are permits; the next one waits whichever was asked."""
    await asyncio.gather(site.start("one", permits=3), site.start("other", permits=3))
    runs = {await site.run(name, HOLD): name for name in ("one", "one", "one", "other")}

    async def states() -> list[str]:
        return [(await site.details("other", run_id))["state"] for run_id in runs]

    async def three_run() -> bool:
        return sorted(await states()) == ["queued", "running", "running", "running"]

    await until_told(three_run)
    found = await states()
    waiting, ending = (list(runs)[found.index(state)] for state in ("queued", "running"))
    await site.let_go(runs[ending], ending)
    await site.nodes[waiting].connected.wait()
    assert (await site.ask("one", "POST", "/permits", json={"permits": 5}))[1]["permits"] == 5

    async def raised() -> bool:
        return bool((await site.ask("other", "GET", "/permits"))[1]["permits"] == 5)

    await until_told(raised)

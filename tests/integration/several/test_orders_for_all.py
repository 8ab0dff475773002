"""What one manager is told about modules, all of them do."""

from __future__ import annotations

import asyncio

from tests.several_managers import Several


async def test_modules_are_started_and_stopped_for_all(site: Several) -> None:
    await asyncio.gather(site.start("one"), site.start("other"))
    order = {"module_type": "Llm", "config": {}}
    status, answer = await site.ask("one", "POST", "/module/start", json=order)
    assert (status, answer) == (200, {"result": "module_started"})
    for name in ("one", "other"):
        assert (await site.ask(name, "GET", "/status"))[1]["llm_module"] == "running"
    await site.ask("other", "POST", "/module/stop", json=order)
    for name in ("one", "other"):
        assert (await site.ask(name, "GET", "/status"))[1]["llm_module"] == "stopped"

"""What one manager is told about modules, all of them do, and who comes later does, too."""

from __future__ import annotations

import asyncio

from tests.several_managers import Several

KEY = "a-secret-of-the-configuration"


async def modules_of(site: Several, *names: str) -> list[str]:
    return [(await site.ask(name, "GET", "/status"))[1]["llm_module"] for name in names]


async def test_modules_are_started_and_stopped_for_all(site: Several) -> None:
    await asyncio.gather(site.start("one"), site.start("other"))
    await site.until_ready("one", "other")
    order = {"module_type": "Llm", "config": {"backends": {"main": {"key": KEY}}}}
    status, answer = await site.ask("one", "POST", "/module/start", json=order)
    assert (status, answer) == (200, {"result": "module_started"})
    assert await modules_of(site, "one", "other") == ["running", "running"]
    status, answer = await site.ask("other", "POST", "/module/start", json=order)
    assert (status, answer) == (500, {"error": "module_already_running"})

    # Who joins when the one that was told is gone has it of the other, whose secret it does not see.
    await site.killed("one")
    await site.start("later")
    await site.until_ready("later")
    assert await modules_of(site, "later") == ["running"]
    status, answer = await site.ask("later", "GET", "/members/orders")
    assert (status, KEY in str(answer)) == (403, False)

    _, answer = await site.ask("later", "POST", "/module/stop", json=order)
    assert answer == {"result": "module_stopped"}
    assert await modules_of(site, "other", "later") == ["stopped", "stopped"]

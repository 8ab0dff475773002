"""Rows 17, 18 and 22: what must not be sent to the manager ends its run, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.hostile.program.broken import BROKEN
from tests.hostile.site import Site

MIB = 1024 * 1024
CANARY = "canary-of-a-job"
RESIDENT_BOUND = 64 * MIB


@pytest.mark.parametrize("how", list(BROKEN))
async def test_a_broken_frame_fails_its_run_with_protocol(site: Site, how: str) -> None:
    async with site.attack("channel.break_it", how=how) as attack:
        status = await attack.status()
    assert status["cause"] == "protocol", status
    assert (status["state"], status["result_code"]) == ("finished", None)
    await alive(site)


async def alive(site: Site) -> None:
    await site.node.status()
    assert site.manager.process.poll() is None


@pytest.mark.parametrize("kind", ["output", "log", "small records", "finishing", "resume"])
async def test_a_flood_harms_nobody_and_can_be_ended(site: Site, kind: str) -> None:
    before = site.manager.resident_bytes()
    async with site.attack("channel.flood", kind=kind) as attack:
        await attack.node.hears("flooding")
        assert await site.ask("descriptors.same_connection", answered=False)
        status = await attack.end()
    assert status["cause"] in {"cancelled", "protocol"}
    assert site.manager.resident_bytes() - before < RESIDENT_BOUND


async def test_connecting_again_and_again_leaves_no_descriptor(site: Site) -> None:
    before = site.manager.descriptors()
    async with site.attack("channel.connect_again_and_again", times=100) as attack:
        await attack.node.hears("connected")
        status = await attack.end()
    assert status["result_code"] is None
    # The engine's client may have opened some connections of its own meanwhile.
    assert site.manager.descriptors() - before < 50


async def test_the_watch_channel_in_others_hands_harms_nobody(site: Site) -> None:
    descriptors, resident = site.manager.descriptors(), site.manager.resident_bytes()
    async with site.attack("channel.abuse_the_watch_channel", times=100) as attack:
        assert (await attack.said())["taken"] > 0
    await alive(site)
    # The engine's client may have opened some connections of its own meanwhile.
    assert site.manager.descriptors() - descriptors < 50
    assert site.manager.resident_bytes() - resident < RESIDENT_BOUND


@pytest.mark.parametrize("count", [1, 3, 250])
async def test_descriptors_nobody_asked_for_fail_the_run_and_are_closed(site: Site, count: int) -> None:
    before = pipes(site)
    async with site.attack("channel.send_descriptors", count=count) as attack:
        status = await attack.status()
        assert pipes(site) == before
    assert (status["cause"], "descriptors" in status["error"]) == ("protocol", True)


def pipes(site: Site) -> int:
    """What the hostile program sends are ends of a pipe."""
    folder = Path(f"/proc/{site.manager.process.pid}/fd")
    return sum(link.startswith("pipe:") for link in map(target_of, folder.iterdir()))


def target_of(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:
        return ""  # closed meanwhile


async def test_a_job_s_text_gets_into_no_log_key_label_or_environment(site: Site) -> None:
    """Text that the instance reports as its failure is a value in the log, never a key, and one line."""
    async with site.attack("channel.write_into_logs", text=CANARY) as attack:
        await attack.node.connected.wait()
        container = await attack.container()
        assert (await attack.status())["cause"] == "exited"
    assert container is None or CANARY not in json.dumps(container)
    assert CANARY not in json.dumps(site.manager.log)
    assert CANARY not in json.dumps(await site.node.status())


async def test_a_failure_s_text_is_one_value_in_the_log(site: Site) -> None:
    text = f'{CANARY}\n{{"event": "forged"}}\x1b[2J'
    async with site.attack("channel.fail_with", text=text) as attack:
        assert (await attack.status())["cause"] == "internal"
    assert not {"forged", "not_json"} & {record["event"] for record in site.manager.log}
    assert [key for record in site.manager.log for key in record if CANARY in key] == []

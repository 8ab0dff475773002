"""Who may see a run is asked of the manager that has it, with the client's own token."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from tests.integration.manager.callers import ALICE, BOB, TokensFile, tokens_file
from tests.several_managers import Several
from tests.socket_client import refusal, socket_client

__all__ = ["tokens_file"]

NEVER = 9_999_999
HOLD = json.dumps({"hold": None})


async def test_a_token_goes_with_the_request(site: Several, tokens_file: TokensFile) -> None:
    site.settings["tokens_file"] = tokens_file.path
    await asyncio.gather(site.start("one"), site.start("other"))
    run_id = await site.run("one", HOLD, headers=tokens_file.header(ALICE))
    path = f"/executions/{run_id}"
    # As some clients write it: names of headers have no case.
    alice = {name.lower(): value for name, value in tokens_file.header(ALICE).items()}
    assert (await site.ask("other", "GET", path, headers=alice))[1]["manager"] == "one"
    assert (await site.ask("other", "GET", path, headers=tokens_file.header(BOB)))[0] == 404
    assert (await site.ask("other", "GET", path))[0] == 401
    ended = await site.ask("other", "DELETE", f"/genvm/{run_id}?wait_timeout_ms=0", headers=alice)
    assert ended[1] == {"result": "shutdown_completed", "genvm_id": run_id}


async def test_another_namespace_s_run_of_a_manager_that_is_away_has_never_been(
    site: Several, tokens_file: TokensFile
) -> None:
    site.settings["tokens_file"] = tokens_file.path
    await asyncio.gather(site.start("one"), site.start("other"))
    run_id = await site.run("one", HOLD, headers=tokens_file.header(ALICE))
    await site.killed("one")
    alice, bob = tokens_file.header(ALICE), tokens_file.header(BOB)
    asked = ("DELETE", "/genvm/{}?wait_timeout_ms=0")
    hers = await site.ask("other", asked[0], asked[1].format(run_id), headers=alice)
    assert hers[0] == 503, "its manager is away, and its lease goes on"
    for method, path in (asked, ("GET", "/genvm/{}"), ("GET", "/executions/{}")):
        told = {
            one: await site.ask("other", method, path.format(one), headers=bob) for one in (run_id, NEVER)
        }
        assert nameless(told, run_id) == nameless(told, NEVER), path
    async with socket_client(site.sessions["other"], headers=bob) as client:
        refused = {one: await refusal(client.attach(one)) for one in (run_id, NEVER)}
    assert nameless(refused, run_id) == nameless(refused, NEVER)


def nameless(told: Mapping[int, Any], run_id: int) -> str:
    """What was told about a run, without its id."""
    return json.dumps(told[run_id]).replace(str(run_id), "N")

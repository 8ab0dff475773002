"""Who may see a run is asked of the manager that has it, with the client's own token."""

from __future__ import annotations

import asyncio
import json

from tests.integration.manager.callers import ALICE, BOB, TokensFile, tokens_file
from tests.several_managers import Several

__all__ = ["tokens_file"]

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

"""Version patterns: judged before a run is written down, and never written down to be matched again."""

from __future__ import annotations

import pytest

from orchestrator.contracts.patterns import LONGEST_PATTERN
from orchestrator.executions.written import request_from
from tests.generation_bodies import fields
from tests.integration.manager.conftest import Client, MakeClient, listening_node
from tests.integration.manager.journal_rows import leave_behind, queued_row
from tests.socket_client import INTERNAL, refusal, socket_client

NESTED = "re:(((((((((((((((((((v?)?)?)?)?)?)?)?)?)?)?)?)?)?)?)?)?)?)?)?$x"
REFUSED = ["re:(", "re:(v)\\1", "re:" + "v" * (LONGEST_PATTERN + 1), "re:[a&&b]"]


def selected(pattern: str) -> dict[str, str]:
    return {"kind": "version", "version": pattern}


@pytest.mark.parametrize("pattern", REFUSED)
async def test_what_is_no_pattern_is_refused_and_not_written_down(client: Client, pattern: str) -> None:
    body = client.encoded("C", selector=selected(pattern))
    status, answer = await client.ask("POST", "/genvm/run", data=body)
    assert (status, "is not a valid regex" in answer["error"]) == (500, True)
    async with socket_client(client.session) as talking:
        wanted = fields("C", f"unix://{client.folder}/sock", selector=selected(pattern))
        code, text = await refusal(talking.run(wanted))
        assert (code, "is not a valid regex" in text) == (INTERNAL, True)
    assert (await client.ask("GET", "/executions"))[1]["executions"] == []


async def test_a_pattern_becomes_the_version_that_it_matches_and_a_repeated_one_is_the_same_run(
    client: Client,
) -> None:
    await client.ask("POST", "/permits", json={"permits": 2})
    changes = {"debug_mode": "safe", "reroute_to": r"re:^v0\.\d+\.7$"}
    async with (
        listening_node(f"unix://{client.folder}/first") as first,
        listening_node(f"unix://{client.folder}/second") as second,
    ):
        holder = await client.run(client.body({"ignore": 0}, is_sync=False, host=f"unix://{first.path}"))
        body = client.encoded("B4", {}, host=f"unix://{second.path}", **changes)
        waiting = await client.run(body)
        row = await client.manager.executions.row(waiting)
        assert row is not None
        assert row.request is not None
        assert request_from(row.request, None).call.selector.version == "v0.2.7"
        assert await client.run(body) == waiting
        await client.delete(holder, wait_timeout_ms=0)
        assert (await client.finished(waiting))["executor"] == "v0.2.7"


async def test_a_pattern_that_backtracking_never_ends_is_answered_and_the_manager_lives(
    client: Client,
) -> None:
    body = client.encoded("C", selector=selected(NESTED))
    status, answer = await client.ask("POST", "/genvm/run", data=body)
    assert (status, "no line matches" in answer["error"]) == (500, True)
    assert (await client.ask("GET", "/healthz"))[0] == 200


async def test_a_row_with_such_a_pattern_does_not_stop_the_next_manager(make_client: MakeClient) -> None:
    client = await make_client()
    host = f"unix://{client.folder}/sock"
    await leave_behind(client, queued_row(1, host, selector=selected(NESTED)))
    client = await make_client()
    await client.until(lambda: client.manager.executions.find(1) is None)
    _, told = await client.ask("GET", "/executions/1")
    assert (told["cause"], "no line matches" in told["error"]) == ("internal", True)

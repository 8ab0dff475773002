"""`/status` names who holds permits: what keeps other runs waiting is looked up, not guessed."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from orchestrator.api import status as status_route
from orchestrator.executions.costs import Holder
from tests.hand_clock import BEGINNING
from tests.integration.manager.callers import ALICE, BOB, READER, ROOT, MakeAs, make_as, tokens_file
from tests.integration.manager.conftest import Client, client, folder, listening_node, make_client

__all__ = ["client", "folder", "make_as", "make_client", "tokens_file"]


async def holders(client: Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await client.ask("GET", "/status"))[1]["permit_holders"]
    return found


async def test_a_run_is_named_while_it_holds_permits(client: Client) -> None:
    assert await holders(client) == []
    body = client.body({"ignore": None})
    async with listening_node(body["host"]):
        run_id = await client.run(body)
        run = client.manager.executions.find(run_id)
        assert run is not None
        await run.started
        [holder] = await holders(client)
        assert (holder["id"], holder["permits"]) == (run_id, run.request.permits)
        assert run.execution.accepted_at <= datetime.fromisoformat(holder["since"])
        await client.delete(run_id, wait_timeout_ms=0)
        await run.released
    assert await holders(client) == []


async def test_holders_of_another_namespace_are_not_named(make_as: MakeAs) -> None:
    speaking_as = await make_as()
    alice, bob, reader, root = [await speaking_as(name) for name in (ALICE, BOB, READER, ROOT)]
    hers, his = alice.body({"ignore": None}), bob.body({"ignore": None})
    his["host"] += "_of_bob"
    async with listening_node(hers["host"]), listening_node(his["host"]):
        first, second = await alice.run(hers), await bob.run(his)
        for run_id in (first, second):
            run = alice.manager.executions.find(run_id)
            assert run is not None
            await run.started

        async def named(client: Client) -> list[int]:
            return [holder["id"] for holder in await holders(client)]

        assert await named(alice) == await named(reader) == [first]
        assert await named(bob) == [second]
        assert await named(root) == [first, second]
        await alice.delete(first, wait_timeout_ms=0)
        await bob.delete(second, wait_timeout_ms=0)


async def test_a_thousand_holders_are_written_down_once_and_a_hundred_are_named(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[int] = []
    really = status_route.holder_of

    def counted(holder: Holder) -> dict[str, Any]:
        written.append(holder.name)
        return really(holder)

    monkeypatch.setattr(status_route, "holder_of", counted)
    admission = client.manager.executions._admission
    for name in range(1, 1001):
        admission.restore(10_000 + name, 1, BEGINNING)
    client.manager.executions._known.changed()
    assert [holder["id"] for holder in await holders(client)] == [*range(10_001, 10_101)]
    assert len(written) == 100
    # The first is gone, and the next one is named instead: nothing else is written down again.
    admission.give_back(10_001)
    assert [holder["id"] for holder in await holders(client)] == [*range(10_002, 10_102)]
    assert written[100:] == [10_101]
    for name in range(2, 1001):
        admission.give_back(10_000 + name)
    assert await holders(client) == []

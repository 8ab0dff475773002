"""What lives in one namespace is to all others as if it had never been; an operator sees everything."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from orchestrator.executions.known import Forgotten
from tests.integration.manager.callers import ALICE, BOB, READER, ROOT, As, MakeAs, make_as, tokens_file
from tests.integration.manager.conftest import Client, folder, listening_node, make_client
from tests.integration.manager.socket_requests import request
from tests.socket_client import UNKNOWN_ID, refusal, socket_client

__all__ = ["folder", "make_as", "make_client", "tokens_file"]

NEVER = 987_654_321
PRINTS = {"print": "alice's", "answer": 3}


@pytest.fixture
async def speaking_as(make_as: MakeAs) -> As:
    return await make_as()


async def ended(client: Client, body: dict[str, Any]) -> int:
    """The id of a run that is over, its status not fetched."""
    async with listening_node(body["host"]):
        run_id = await client.run(body)
        run = client.manager.executions.find(run_id)
        if run is not None:
            await asyncio.shield(run.released)
    await client.until(lambda: client.manager.executions.find(run_id) is None)
    return run_id


ABOUT_ONE_RUN = [
    ("GET", "/genvm/{}"),
    ("GET", "/genvm/{}?wait=10ms"),
    ("DELETE", "/genvm/{}"),
    ("GET", "/genvm/{}/artifact?field=stdout&max_len=9"),
    ("GET", "/executions/{}"),
    ("GET", "/executions/{}?output=true"),
]


@pytest.mark.parametrize("live", [False, True], ids=["ended", "running"])
@pytest.mark.parametrize(("method", "path"), ABOUT_ONE_RUN)
async def test_a_foreign_run_is_answered_like_one_that_never_was(
    speaking_as: As, method: str, path: str, live: bool
) -> None:
    alice, bob = await speaking_as(ALICE), await speaking_as(BOB)
    body = alice.body({"ignore": None} if live else PRINTS)
    async with listening_node(body["host"]):
        run_id = await alice.run(body) if live else await ended(alice, body)
        foreign = await bob.ask(method, path.format(run_id))
        never = await bob.ask(method, path.format(NEVER))
        assert as_of(foreign, run_id) == as_of(never, NEVER)
        # Nothing has happened to it.
        assert (await alice.ask("GET", f"/executions/{run_id}"))[0] == 200
        if live:
            assert await alice.status(run_id) is None
            await alice.delete(run_id, wait_timeout_ms=0)


def as_of(answer: tuple[int, Any], run_id: int) -> tuple[int, str]:
    """An answer without the id that was asked for."""
    return answer[0], str(answer[1]).replace(str(run_id), "ID")


async def test_a_foreign_run_costs_no_look_into_the_journal(
    speaking_as: As, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What takes another time tells that it is there."""
    alice, bob = await speaking_as(ALICE), await speaking_as(BOB)
    run_id = await ended(alice, alice.body(PRINTS))
    read: list[int] = []
    journal: Any = alice.manager.executions._journal
    reads = journal.read

    async def counted(asked: int) -> Any:
        read.append(asked)
        return await reads(asked)

    monkeypatch.setattr(journal, "read", counted)
    for method, path in ABOUT_ONE_RUN:
        await bob.ask(method, path.format(run_id))
    assert read == []
    await alice.ask("GET", f"/executions/{run_id}")
    assert read == [run_id]


async def test_lists_have_the_caller_s_runs_alone_and_an_operator_s_all(speaking_as: As) -> None:
    alice, bob, reader, root = [await speaking_as(name) for name in (ALICE, BOB, READER, ROOT)]
    hers, his = await ended(alice, alice.body(PRINTS)), await ended(bob, bob.body())

    async def listed(client: Client) -> tuple[set[int], set[int], int]:
        page = (await client.ask("GET", "/executions"))[1]
        status = (await client.ask("GET", "/status"))[1]
        assert page["retained"]["executions"] == status["retained"]["executions"]
        return (
            {run["id"] for run in page["executions"]},
            {int(run_id) for run_id in status["executions"]},
            status["retained"]["executions"],
        )

    assert await listed(alice) == await listed(reader) == ({hers}, {hers}, 1)
    assert await listed(bob) == ({his}, {his}, 1)
    assert await listed(root) == ({hers, his}, {hers, his}, 2)
    namespaces = [run["namespace"] for run in (await root.ask("GET", "/executions"))[1]["executions"]]
    assert namespaces == ["b", "a"]
    assert (await root.ask("GET", f"/executions/{hers}"))[1]["namespace"] == "a"


async def test_a_page_is_full_whatever_lies_between(speaking_as: As) -> None:
    alice, bob = await speaking_as(ALICE), await speaking_as(BOB)
    hers = []
    for _ in range(3):
        hers.append(await ended(alice, alice.body()))
        await ended(bob, bob.body())
    page = (await alice.ask("GET", "/executions?limit=2"))[1]
    assert [run["id"] for run in page["executions"]] == [hers[2], hers[1]]
    rest = (await alice.ask("GET", "/executions", params=page["next"]))[1]
    assert ([run["id"] for run in rest["executions"]], rest["next"]) == ([hers[0]], None)


async def test_reading_takes_nothing_away_and_may_not(speaking_as: As) -> None:
    alice, reader = await speaking_as(ALICE), await speaking_as(READER)
    run_id = await ended(alice, alice.body(PRINTS))
    assert (await reader.ask("GET", f"/genvm/{run_id}"))[0] == 403
    assert (await reader.ask("DELETE", f"/genvm/{run_id}"))[0] == 403
    assert (await reader.ask("GET", f"/executions/{run_id}?output=true"))[1]["stdout"] == "alice's"
    assert str(run_id) in (await reader.ask("GET", "/status"))[1]["executions"]


async def test_an_idempotency_key_is_its_namespace_s(speaking_as: As) -> None:
    """Neither whoever knows a key, nor whoever names the socket, gets another namespace's run."""
    alice, bob = await speaking_as(ALICE), await speaking_as(BOB)
    body, headers = alice.body({"ignore": None}), {"Idempotency-Key": "tx-7"}
    async with listening_node(body["host"]):
        _, first = await alice.ask("POST", "/genvm/run", json=body, headers=headers)
        foreign, _ = await bob.ask("POST", "/genvm/run", json=body, headers=headers)
        _, again = await alice.ask("POST", "/genvm/run", json=body, headers=headers)
        assert (foreign, again["id"]) == (403, first["id"])
        own = bob.body({"ignore": None}, host=f"unix://{bob.folder}/his")
        async with listening_node(own["host"]):
            _, his = await bob.ask("POST", "/genvm/run", json=own, headers=headers)
            assert his["id"] != first["id"]
            for client, answer in ((alice, first), (bob, his)):
                await client.delete(answer["id"], wait_timeout_ms=0)


async def test_the_same_request_for_the_same_socket_is_no_run_of_another_namespace(make_as: MakeAs) -> None:
    speaking_as = await make_as(permits=2)
    alice, bob = await speaking_as(ALICE), await speaking_as(BOB)
    holder, waiting = alice.body({"ignore": None}, is_sync=False), alice.body()
    async with listening_node(holder["host"]), listening_node(waiting["host"]):
        first = await alice.run(holder)
        hers = await alice.run(waiting)
        assert (await bob.ask("POST", "/genvm/run", json=waiting))[0] == 403
        assert await alice.run(waiting) == hers
        for run_id in (hers, first):
            await alice.delete(run_id, wait_timeout_ms=0)


async def test_the_socket_knows_no_foreign_run(speaking_as: As) -> None:
    alice, bob, root = [await speaking_as(name) for name in (ALICE, BOB, ROOT)]
    async with (
        listening_node(f"unix://{alice.folder}/node") as node,
        listening_node(f"unix://{alice.folder}/his") as his_node,
        socket_client(alice.session) as hers,
        socket_client(bob.session) as his,
        socket_client(root.session) as roots,
    ):
        wanted = request(node, {"ignore": None}, host_genvm_id="tx-1")
        run_id = await hers.run(wanted)
        assert (await hers.event(run_id))[0] == "started"
        for ask in (his.attach, his.cancel, his.ack, lambda one: his.piece(one, "stdout", 0)):
            code, text = await refusal(ask(run_id))
            assert (code, text) == (UNKNOWN_ID, f"GenVM with id {run_id} not found")
            assert (code, text.replace(str(run_id), str(NEVER))) == await refusal(ask(NEVER))
        assert (await roots.attach(run_id))[0] == "started"
        own = await his.run(request(his_node, {"ignore": None}, host_genvm_id="tx-1"))
        assert own != run_id
        await his.cancel(own)
        await his.ended(own)
        await hers.cancel(run_id)
        assert (await hers.ended(run_id))[0] == (await roots.ended(run_id))[0] == "finished"
        for ask in (his.attach, his.ack):
            assert (await refusal(ask(run_id)))[0] == UNKNOWN_ID
        assert (his.waiting(run_id), hers.waiting(own)) == (0, 0)
        await hers.ack(run_id)


async def test_namespaces_outlive_the_manager(make_as: MakeAs) -> None:
    speaking_as = await make_as(permits=2, shutdown_policy="detach")
    alice, bob = await speaking_as(ALICE), await speaking_as(BOB)
    over = await ended(alice, alice.body(PRINTS))
    holder, waiting = alice.body({"ignore": None}, is_sync=False), alice.body()
    headers = {"Idempotency-Key": "tx-7"}
    async with listening_node(holder["host"]), listening_node(waiting["host"]):
        running = await alice.run(holder)
        _, queued = await alice.ask("POST", "/genvm/run", json=waiting, headers=headers)
        run = alice.manager.executions.find(running)
        assert run is not None
        await run.started
        await alice.manager.executions.detach()
        await alice.leave()

        speaking_as = await make_as(permits=2)
        alice, bob = await speaking_as(ALICE), await speaking_as(BOB)
        ids = {over, running, queued["id"]}
        assert {run["id"] for run in (await alice.ask("GET", "/executions"))[1]["executions"]} == ids
        assert (await bob.ask("GET", "/executions"))[1]["executions"] == []
        assert [(await bob.ask("GET", f"/executions/{one}"))[0] for one in ids] == [404, 404, 404]
        assert (await bob.ask("POST", "/genvm/run", json=waiting, headers=headers))[0] == 403
        assert await alice.ask("POST", "/genvm/run", json=waiting, headers=headers) == (200, queued)
        for run_id in (queued["id"], running):
            await alice.delete(run_id, wait_timeout_ms=0)


async def test_runs_without_end_of_one_namespace_take_no_status_from_another(make_as: MakeAs) -> None:
    """Neither here nor in the journal; what makes room is gone from both."""
    speaking_as = await make_as(retained_runs=3)
    alice, bob = await speaking_as(ALICE), await speaking_as(BOB)
    his = await ended(bob, bob.body(PRINTS))
    hers = [await ended(alice, alice.body()) for _ in range(5)]
    runs = alice.manager.executions
    assert [run_id for run_id in (his, *hers) if runs.knows(run_id)] == [his, *hers[-2:]]
    assert (await bob.status(his))["stdout"] == "alice's"
    await alice.until(lambda: runs.forgotten[Forgotten.ROOM] == 3)
    last = await ended(alice, alice.body())
    assert runs.knows(his), "though it was fetched: it may be again"
    assert [run_id for run_id in hers if runs.knows(run_id)] == hers[-1:]
    # What is written after all that, and waited for.
    await runs.acknowledge(last)
    journal: Any = runs._journal
    rows = [await journal.read(run_id) for run_id in (his, *hers)]
    assert [row is not None for row in rows] == [True] + [False] * 4 + [True]

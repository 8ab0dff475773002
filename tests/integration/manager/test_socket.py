"""The manager socket against a whole manager with scripted instances (manager-api 4)."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest

from genvm_wire.calldata import LONGEST_TEXT
from orchestrator.executions.run import Run
from orchestrator.executions.state import State
from orchestrator.executions.verdict import EndOrder
from tests.integration.manager.conftest import Client, MakeClient, Node, listening_node
from tests.integration.manager.socket_requests import request
from tests.raw_http import exchange
from tests.raw_http import request as http_request
from tests.socket_client import (
    ACK,
    ATTACH,
    BAD_REQUEST_ID,
    BOOT_ID_MISMATCH,
    CANCEL,
    EVENT,
    GET_ARTIFACT,
    HELLO,
    INTERNAL,
    MALFORMED,
    NOT_FINISHED,
    RUN,
    UNKNOWN_ID,
    UNKNOWN_METHOD,
    SocketClient,
    frame,
    refusal,
    socket_client,
)


@pytest.fixture
async def socket(client: Client) -> AsyncIterator[SocketClient]:
    async with socket_client(client.session) as connected:
        yield connected


@pytest.fixture
async def node(client: Client) -> AsyncIterator[Node]:
    async with listening_node(f"unix://{client.folder}/node") as listening:
        yield listening


async def test_hello_names_the_process_and_the_protocol(client: Client, socket: SocketClient) -> None:
    async with socket_client(client.session) as other:
        assert other.boot_id == socket.boot_id
    assert 0 <= socket.boot_id < 2**64
    assert socket.protocol_major == 0


async def test_a_run_is_answered_with_its_id_then_started_then_finished(
    socket: SocketClient, node: Node
) -> None:
    run_id = await socket.run(request(node, host_genvm_id="tx-7"))
    assert await socket.event(run_id) == ("started", {"genvm_id": run_id, "host_genvm_id": "tx-7"})
    tag, ended = await socket.event(run_id)
    assert tag == "finished"
    assert ended["consumed_result"][0] == 0
    assert ended | {"consumed_result": None, "finished_at": ""} == {
        "genvm_id": run_id,
        "host_genvm_id": "tx-7",
        "cause": "exited",
        "exit_code": 0,
        "consumed_result": None,
        "metrics": None,
        "finished_at": "",
        "version_major": 0,
        "version_minor": 2,
        "artifact_sizes": {"stdout": 0, "stderr": 0, "genvm_log": 0},
    }
    assert ended["finished_at"].endswith("Z")


async def test_the_request_of_the_page_with_only_mandatory_keys_is_a_run(
    client: Client, socket: SocketClient, node: Node
) -> None:
    whole = request(node)
    for name in ("max_execution_minutes", "extra_args", "debug_mode", "gas_data", "message_fee_allocation"):
        del whole[name]
    run_id = await socket.run(whole)
    assert (await socket.ended(run_id))[0] == "finished"


async def test_many_runs_go_on_one_connection_and_each_has_exactly_one_last_event(
    client: Client, socket: SocketClient
) -> None:
    async def one(number: int) -> int:
        async with listening_node(f"unix://{client.folder}/many_{number}") as node:
            run_id = await socket.run(request(node, {"print": str(number), "answer": 0}))
            tag, ended = await socket.ended(run_id)
            assert (tag, ended["cause"]) == ("finished", "exited")
            assert await socket.artifact(run_id, "stdout") == str(number).encode()
            return run_id

    ids = await asyncio.gather(*(one(number) for number in range(12)))
    assert len(set(ids)) == 12
    assert [socket.waiting(run_id) for run_id in ids] == [0] * 12


@pytest.mark.parametrize("name", ["v2.0.0", "v9.9.9", "re:nothing"], ids=["absent", "unknown", "no match"])
async def test_what_cannot_start_failed_to_start_and_its_permits_are_back(
    client: Client, socket: SocketClient, node: Node, name: str
) -> None:
    version = {"kind": "version", "version": name}
    tag, failed = await socket.ended(await socket.run(request(node, selector=version)))
    assert tag == "failed_to_start"
    assert set(failed) == {"genvm_id", "host_genvm_id", "error"}
    status = (await client.ask("GET", "/status"))[1]
    assert status["permits"]["current"] == status["permits"]["max"]


async def test_an_executor_that_exits_at_once_has_finished_with_its_code(
    socket: SocketClient, node: Node
) -> None:
    version = {"kind": "version", "version": "v1.0.0"}
    tag, ended = await socket.ended(await socket.run(request(node, selector=version)))
    assert (tag, ended["cause"], ended["exit_code"]) == ("finished", "exited", 9)
    assert ended["consumed_result"] is None


@pytest.mark.parametrize(
    ("script", "cause", "exit_code"),
    [({"exit": 3}, "exited", 3), ({"signal": 9}, "exited", None), ({"fail": "no"}, "exited", None)],
    ids=["exit", "signal", "failed"],
)
async def test_an_end_without_a_result_has_no_consumed_result(
    socket: SocketClient, node: Node, script: dict[str, Any], cause: str, exit_code: int | None
) -> None:
    tag, ended = await socket.ended(await socket.run(request(node, script)))
    assert (tag, ended["cause"], ended["exit_code"]) == ("finished", cause, exit_code)
    assert ended["consumed_result"] is None


async def test_a_deadline_ends_a_run_with_that_cause(
    socket: SocketClient, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    armed: list[tuple[Run, float, EndOrder]] = []
    monkeypatch.setattr(Run, "arm_deadline", lambda *order: armed.append(order))
    run_id = await socket.run(request(node, {"ignore": None}, deadline="300ms"))
    assert (await socket.event(run_id))[0] == "started"
    [(run, seconds, order)] = armed
    assert (run.execution.deadline - run.execution.accepted_at).total_seconds() == 0.3
    assert seconds <= 0.3
    # It comes now, not while the instance may still be starting.
    run.order_end(order)
    tag, ended = await socket.ended(run_id)
    assert (tag, ended["cause"], ended["exit_code"]) == ("finished", "deadline", None)


async def test_cancelling_a_running_run_kills_it(socket: SocketClient, node: Node) -> None:
    run_id = await socket.run(request(node, {"ignore": None}))
    assert (await socket.event(run_id))[0] == "started"
    await socket.cancel(run_id)
    tag, ended = await socket.event(run_id)
    assert (tag, ended["cause"], ended["exit_code"]) == ("finished", "cancelled", None)
    await socket.cancel(run_id)


async def test_cancelling_a_queued_run_takes_no_permit_and_starts_nothing(
    make_client: MakeClient,
) -> None:
    client = await make_client(permits=4)
    async with (
        socket_client(client.session) as socket,
        listening_node(f"unix://{client.folder}/node") as node,
    ):
        holder = await socket.run(request(node, {"ignore": None}))
        queued = await socket.run(request(node))
        assert (await socket.event(holder))[0] == "started"
        assert (await socket.attach(queued))[0] == "queued"
        await socket.cancel(queued)
        tag, ended = await socket.event(queued)
        assert (tag, ended["cause"], ended["exit_code"]) == ("finished", "cancelled", None)
        assert (ended["version_major"], ended["version_minor"]) == (0, 0)
        await socket.cancel(holder)
        await socket.ended(holder)
    assert node.connections == 1


async def test_the_same_host_genvm_id_is_the_same_run_until_it_is_acknowledged(
    client: Client, socket: SocketClient, node: Node
) -> None:
    wanted = request(node, host_genvm_id="tx-1")
    run_id = await socket.run(wanted)
    await socket.ended(run_id)
    assert await socket.run(wanted) == run_id
    assert (await socket.event(run_id))[0] == "finished"
    async with socket_client(client.session) as other:
        assert await other.run(wanted) == run_id
        assert (await other.event(run_id))[0] == "finished"
    await client.until(lambda: client.manager.executions.find(run_id) is None)
    assert await socket.run(wanted) == run_id
    assert (await socket.event(run_id))[0] == "finished"
    await socket.ack(run_id)
    again = await socket.run(wanted)
    assert again != run_id
    await socket.cancel(again)
    await socket.ended(again)


async def test_the_same_host_genvm_id_while_it_runs_is_told_that_it_started(
    client: Client, socket: SocketClient, node: Node
) -> None:
    wanted = request(node, {"ignore": None}, host_genvm_id="tx-1")
    run_id = await socket.run(wanted)
    assert (await socket.event(run_id))[0] == "started"
    async with socket_client(client.session) as other:
        assert await other.run(wanted) == run_id
        assert (await other.event(run_id))[0] == "started"
        await other.cancel(run_id)
        assert (await other.event(run_id))[0] == "finished"
    assert (await socket.event(run_id))[0] == "finished"
    assert node.connections == 1


async def test_a_client_that_connects_again_attaches_to_what_went_on_without_it(
    client: Client, node: Node
) -> None:
    async with socket_client(client.session) as first:
        run_id = await first.run(request(node, {"ignore": None}))
        assert (await first.event(run_id))[0] == "started"
    assert (await client.ask("GET", "/status"))[1]["executions"][str(run_id)]["state"] == "running"
    async with socket_client(client.session) as second:
        snapshot = ("started", {"genvm_id": run_id, "host_genvm_id": None})
        assert await second.attach(run_id) == snapshot
        assert await second.attach(run_id) == snapshot
        await second.cancel(run_id)
        assert (await second.event(run_id))[0] == "finished"
        assert (await second.attach(run_id))[0] == "finished"
        assert second.waiting(run_id) == 0


async def test_the_snapshot_of_an_ended_run_is_all_that_its_last_event_was(
    client: Client, socket: SocketClient, node: Node
) -> None:
    run_id = await socket.run(request(node, {"print": "kept", "answer": 100}))
    event = await socket.ended(run_id)
    assert event[1]["artifact_sizes"]["stdout"] == 4
    assert await socket.attach(run_id) == event
    await client.until(lambda: client.manager.executions.find(run_id) is None)
    assert await socket.attach(run_id) == event


async def test_artifacts_are_read_in_pieces_that_change_nothing(
    client: Client, socket: SocketClient, node: Node
) -> None:
    records = [{"level": "info", "message": "one"}, {"level": "warn", "message": "two"}]
    printed = "text " * 100_000
    run_id = await socket.run(request(node, {"print": printed, "log": records, "answer": 0}))
    sizes = (await socket.ended(run_id))[1]["artifact_sizes"]
    for _ in range(2):
        assert await socket.artifact(run_id, "stdout") == printed.encode()
        log = await socket.artifact(run_id, "genvm_log", max_len=10)
        assert [json.loads(line) for line in log.splitlines()] == records
        await client.until(lambda: client.manager.executions.find(run_id) is None)
    assert sizes == {"stdout": len(printed), "stderr": 0, "genvm_log": len(log)}
    total, data = await socket.piece(run_id, "stdout", 0, 2**32 - 1)
    assert (total, len(data)) == (len(printed), 262_144)
    assert await socket.piece(run_id, "stdout", 2**64 - 1) == (len(printed), b"")
    assert await socket.piece(run_id, "stdout", 0, 0) == (len(printed), b"")


async def test_ack_frees_a_run_once_it_has_ended(client: Client, socket: SocketClient, node: Node) -> None:
    run_id = await socket.run(request(node, {"ignore": None}))
    assert (await socket.event(run_id))[0] == "started"
    assert (await refusal(socket.ack(run_id)))[0] == NOT_FINISHED
    assert (await refusal(socket.piece(run_id, "stdout", 0)))[0] == UNKNOWN_ID
    await socket.cancel(run_id)
    await socket.ended(run_id)
    await socket.ack(run_id)
    unknown = (UNKNOWN_ID, f"GenVM with id {run_id} not found")
    for asking in (
        socket.ack(run_id), socket.attach(run_id), socket.cancel(run_id), socket.piece(run_id, "stdout", 0)
    ):  # fmt: skip
        assert await refusal(asking) == unknown
    assert await client.status(run_id) is None
    assert (await client.ask("GET", "/status"))[1]["executions"] == {}
    assert (await client.ask("GET", f"/executions/{run_id}"))[0] == 404
    await client.until(lambda: client.manager.executions.statistics().supervised == 0)
    assert client.manager.executions.statistics().retained == 0


async def test_a_run_of_the_socket_read_over_http_has_its_result_in_base64(
    client: Client, socket: SocketClient, node: Node
) -> None:
    run_id = await socket.run(request(node))
    _, ended = await socket.ended(run_id)
    status = await client.status(run_id)
    assert base64.b64decode(status["consumed_result"]) == ended["consumed_result"]


async def test_unknown_runs_are_unknown(socket: SocketClient) -> None:
    unknown = (UNKNOWN_ID, "GenVM with id 999 not found")
    for asking in (socket.ack(999), socket.attach(999), socket.cancel(999), socket.piece(999, "stdout", 0)):
        assert await refusal(asking) == unknown


async def test_a_run_of_another_process_is_not_attached_to(socket: SocketClient, node: Node) -> None:
    run_id = await socket.run(request(node))
    code, message = await refusal(socket.attach(run_id, socket.boot_id ^ 1))
    assert code == BOOT_ID_MISMATCH
    assert "boot_id_mismatch" in message
    await socket.ended(run_id)


@pytest.mark.parametrize(
    "change",
    [
        {"message": None},
        {"host": "nowhere"},
        {"host_hello_data": [b"", b"x"]},
        {"deadline": "30"},
        {"selector": {"kind": "minor"}},
        {"debug_mode": "unsafe"},
        {"calldata": "text"},
        {"host_data": "x" * (LONGEST_TEXT + 1)},
    ],
    ids=lambda change: next(iter(change)),
)
async def test_a_run_map_that_is_none_is_malformed_and_nothing_starts(
    client: Client, socket: SocketClient, node: Node, change: dict[str, Any]
) -> None:
    assert (await refusal(socket.run(request(node, **change))))[0] == MALFORMED
    assert client.manager.executions.live() == []


async def test_keys_that_only_a_newer_client_knows_are_passed_over(socket: SocketClient, node: Node) -> None:
    run_id = await socket.run(request(node, newer_than_this=1))
    assert (await socket.ended(run_id))[0] == "finished"


async def test_a_full_queue_is_an_internal_error_that_says_so(make_client: MakeClient) -> None:
    client = await make_client(permits=4, queue_limit=0)
    async with (
        socket_client(client.session) as socket,
        listening_node(f"unix://{client.folder}/node") as node,
    ):
        holder = await socket.run(request(node, {"ignore": None}))
        code, message = await refusal(socket.run(request(node)))
        assert code == INTERNAL
        assert "try again later" in message
        await socket.cancel(holder)
        await socket.ended(holder)


async def test_no_mistake_of_a_client_ends_its_connection(socket: SocketClient) -> None:
    await socket.ws.send_str("hello")
    await socket.ws.send_bytes(b"\0\3\0\0\0\0\0\0\0")
    await socket.ws.send_bytes(frame(99, 0, {}))
    await socket.ws.send_bytes(frame(RUN, 0, {}))
    assert (await refusal(socket.ask(99, {}))) == (UNKNOWN_METHOD, "unknown method id 99")
    for method in (HELLO, EVENT):
        assert (await refusal(socket.ask(method, {})))[0] == UNKNOWN_METHOD
    for method in (RUN, ATTACH, CANCEL, ACK, GET_ARTIFACT):
        assert (await refusal(socket.ask(method, {"other": None})))[0] == MALFORMED
        await socket.ws.send_bytes(frame(method, 7_000, {})[:-1] + b"\xff")
    assert (await refusal(socket.cancel(1)))[0] == UNKNOWN_ID
    assert [code for code, _ in socket.unasked] == [
        MALFORMED, MALFORMED, UNKNOWN_METHOD, BAD_REQUEST_ID, *[MALFORMED] * 5
    ]  # fmt: skip


async def test_requests_of_one_connection_are_answered_in_their_order(socket: SocketClient) -> None:
    for number in range(1000, 2000):
        await socket.ws.send_bytes(frame(CANCEL, number, {"cancel": {"genvm_id": number}}))
    assert (await refusal(socket.ask(99, {})))[0] == UNKNOWN_METHOD
    assert [message for _, message in socket.unasked] == [
        f"GenVM with id {number} not found" for number in range(1000, 2000)
    ]


async def test_a_ping_is_answered(socket: SocketClient) -> None:
    await socket.ws.ping(b"still there?")
    assert (await refusal(socket.cancel(1)))[0] == UNKNOWN_ID


async def test_a_plain_get_is_told_to_upgrade(client: Client) -> None:
    async with client.session.get("/ws") as response:
        assert response.status == 426
        assert response.headers["Upgrade"] == "websocket"
        assert set(await response.json()) == {"error"}


async def test_so_is_a_handshake_with_a_key_that_is_none(client: Client) -> None:
    handshake = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13")
    for key in ("\xff", "AAAA", ""):
        headers = ("Host: localhost", *handshake, f"Sec-WebSocket-Key: {key}")
        answer = await exchange(f"unix://{client.folder}/api.sock", http_request("GET", "/ws", *headers))
        assert (answer.status, answer.error) == (426, "this path speaks WebSocket only")


@pytest.mark.parametrize(
    ("origin", "status"),
    [("http://evil.example", 403), ("null", 403), ("http://[", 403), ("http://manager", 101)],
)
async def test_a_web_page_of_elsewhere_may_not_connect(client: Client, origin: str, status: int) -> None:
    handshake = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        "Origin": origin,
    }
    async with client.session.get("/ws", headers=handshake) as response:
        assert response.status == status


async def test_a_message_over_the_limit_ends_the_connection_and_one_below_does_not(
    make_client: MakeClient,
) -> None:
    client = await make_client(max_message_bytes=2**20)
    async with socket_client(client.session) as socket:
        around = len(frame(CANCEL, 9_000, {"cancel": bytes(2**20)})) - 2**20
        largest = frame(CANCEL, 9_000, {"cancel": bytes(2**20 - around)})
        assert len(largest) == 2**20
        await socket.ws.send_bytes(largest)
        assert (await refusal(socket.cancel(1)))[0] == UNKNOWN_ID
        assert socket.unasked[0][0] == MALFORMED
        with suppress(ConnectionError):
            await socket.ws.send_bytes(largest + b"\0")
        await socket.closed.wait()
        assert socket.close_code in {1006, 1009}


async def test_runs_go_on_when_their_client_closes(client: Client, node: Node) -> None:
    async with socket_client(client.session) as socket:
        run_id = await socket.run(request(node, {"hold": None, "answer": 0}))
        assert (await socket.event(run_id))[0] == "started"
    run = client.manager.executions.find(run_id)
    assert run is not None
    client.let_go(run.execution.instance)
    assert (await run.concluded).result is not None
    assert run.execution.state in {State.FINISHING, State.FINISHED}

"""The executor's client and the node's host speak to each other over every table (host-protocol)."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from genvm_executor.host import HostClient, HostLost, HostRefused
from genvm_wire.address import Address
from genvm_wire.calldata import encode
from genvm_wire.host_tables import HOST_TABLES, Ending, HostTable, Method
from genvm_wire.results import ResultCode, RunResult, build, parse
from genvm_wire.storage_layout import code_slot, page_key
from orchestrator.node.errors import HostBroken
from orchestrator.node.host_server import HostServer
from orchestrator.node.stage import RunStage
from orchestrator.node.store import FAUCET, NodeStore

CONTRACT = Address(b"\x5b" * 20)
OTHER = Address(b"\xab" * 20)
SENDER = Address(b"\x01" * 20)
SLOT = bytes(range(32))
Script = Callable[[HostClient], None]
every_table = pytest.mark.parametrize("name", list(HOST_TABLES))


@pytest.fixture
def store() -> Iterator[NodeStore]:
    with NodeStore(":memory:") as opened:
        yield opened


@pytest.fixture
def stage(store: NodeStore) -> RunStage:
    return RunStage(store, CONTRACT, SENDER, b"\x06", value=5, is_deploy=True)


async def converse(stage: RunStage, name: str, script: Script, fuel_width: int | None = None) -> None:
    """Run `script` as the executor against a listening host."""

    def executor(path: str) -> None:
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(5)
        sock.connect(path)
        client = HostClient(sock, HOST_TABLES[name], fuel_width)
        try:
            script(client)
        finally:
            client.close()

    async with HostServer(stage, name, fuel_width) as server, asyncio.TaskGroup() as group:
        group.create_task(asyncio.to_thread(executor, server.uri.removeprefix("unix://")))
        group.create_task(server.serve())


def finish(client: HostClient, table: HostTable) -> None:
    if table.ending is Ending.CONSUME_RESULT:
        client.consume_result(build(RunResult(code=ResultCode.RETURN, data=7), table.result_form))
    elif table.ending is Ending.NOTIFY_FINISHED:
        client.notify_finished()


@every_table
async def test_a_run_reads_asks_and_ends_the_way_its_table_does(name: str, stage: RunStage) -> None:
    """Sections 2.2 and 3.6."""
    table = HOST_TABLES[name]
    await asyncio.to_thread(stage.put_code, b"# {}\n")

    def script(client: HostClient) -> None:
        assert client.storage_read(table.own_view, CONTRACT, code_slot("v0.2"), 0, 9) == b"\5\0\0\0# {}\n"
        assert client.storage_read(0, OTHER, SLOT, 31, 66) == bytes(66)
        assert client.storage_read(0, CONTRACT, SLOT, 0xFFFFFFFF, 0) == b""
        assert client.get_balance(OTHER) == FAUCET
        # A contract of the earlier line: its executor leaves the attached value to the node.
        assert client.get_balance(CONTRACT) == 5
        assert client.remaining_fuel() == (2**53 - 1 if table.fuel_width == 8 else 2**60)
        client.consume_fuel(1000)
        client.notify_nondet_disagreement(2)
        finish(client, table)

    await converse(stage, name, script)
    assert (stage.fuel_used, stage.disagreement) == (1000, 2)
    if table.ending is Ending.CONSUME_RESULT:
        assert stage.result is not None
        assert parse(stage.result, table.result_form).data == 7


@every_table
@pytest.mark.parametrize("width", [8, 32])
async def test_fuel_amounts_have_the_width_that_was_set(name: str, width: int, stage: RunStage) -> None:
    """Section 3.4, width of fuel amounts."""

    def script(client: HostClient) -> None:
        client.consume_fuel(3)
        assert client.remaining_fuel() >= 2**53 - 1
        finish(client, HOST_TABLES[name])

    await converse(stage, name, script, width)
    assert stage.fuel_used == 3


@pytest.mark.parametrize("name", ["T15a", "T15b"])
async def test_effects_that_travel_by_host_methods_are_staged(name: str, stage: RunStage) -> None:
    """Sections 3.4 and 3.6."""
    table = HOST_TABLES[name]

    def script(client: HostClient) -> None:
        assert client.get_calldata() == b"\x06"
        client.storage_write(SLOT, 30, b"abcdef")
        assert client.storage_read(0, CONTRACT, SLOT, 28, 10) == b"\0\0abcdef\0\0"
        client.post_message(OTHER, encode({"method": "foo"}), value=3, on="finalized")
        client.deploy_contract(encode({}), b"# {}\n", value=0, salt_nonce=7, on="accepted")
        client.eth_send(OTHER, b"\x01", value=1)
        client.post_event([SLOT], encode({"a": 1}))
        finish(client, table)

    await converse(stage, name, script)
    effects = stage.effects(RunResult(code=ResultCode.RETURN, data=None))
    assert [(m.kind, m.recipient, m.value, m.on) for m in effects.messages] == [
        ("message", OTHER, 3, "finalized"),
        ("deploy", None, 0, "accepted"),
        ("eth", OTHER, 1, "finalized"),
    ]
    assert [event.topics for event in effects.events] == [(SLOT,)]
    assert effects.pages == {(SLOT, 0): bytes(30) + b"ab", (SLOT, 1): b"cdef".ljust(32, b"\0")}


async def test_leader_posts_and_validator_reads_nondet_results(stage: RunStage, store: NodeStore) -> None:
    """Section 9."""

    def leader(client: HostClient) -> None:
        assert client.get_leader_nondet_result(0) is None
        client.post_nondet_result(0, b"\0\x10")
        client.consume_result(b"\0\0")

    def validator(client: HostClient) -> None:
        assert client.get_leader_nondet_result(0) == b"\0\x10"
        with pytest.raises(HostRefused, match="absent"):
            client.get_leader_nondet_result(1)
        client.consume_result(b"\0\0")

    await converse(stage, "T15a", leader)
    assert stage.nondet_results == {0: b"\0\x10"}
    following = RunStage(store, CONTRACT, SENDER, b"\x06", leader_results=[b"\0\x10"])
    await converse(following, "T15a", validator)


@pytest.mark.parametrize("name", ["T15b", "T9w", "T8", "T9n"])
def test_effects_inside_the_result_are_taken_from_it(name: str, stage: RunStage) -> None:
    """Sections 7 and 8."""
    form = HOST_TABLES[name].result_form
    payload = build(
        RunResult(
            code=ResultCode.RETURN,
            data=None,
            storage_changes=((page_key(SLOT, 1), b"x" * 64),),
            events=((SLOT, encode({})),),
            emissions=(
                {"type": "PostMessage", "address": OTHER, "calldata": {}, "value": 2, "on": "accepted"},
                {"type": "EmitEvent", "topics": [SLOT], "blob": {}},
            ),
        ),
        form,
    )
    effects = stage.effects(parse(payload, form))
    assert effects.pages == {(SLOT, 1): b"x" * 32, (SLOT, 2): b"x" * 32}
    assert [event.topics for event in effects.events] == [(SLOT,)]
    assert len(effects.messages) == (0 if name == "T15b" else 1)


async def test_a_contract_cannot_send_what_it_does_not_have(stage: RunStage) -> None:
    """Section 3.3."""

    def script(client: HostClient) -> None:
        client.post_message(OTHER, b"\x06", value=4, on="finalized")
        with pytest.raises(HostRefused, match="forbidden"):
            client.post_message(OTHER, b"\x06", value=2, on="finalized")
        client.consume_result(b"\0\0")

    await converse(stage, "T15a", script)


@every_table
async def test_an_evm_call_is_refused(name: str, stage: RunStage) -> None:
    """Section 3.3: the local node has no EVM."""

    def script(client: HostClient) -> None:
        with pytest.raises(HostRefused, match="forbidden"):
            client.eth_call(OTHER, b"")
        finish(client, HOST_TABLES[name])

    await converse(stage, name, script)


async def dial(server: HostServer, request: bytes) -> None:
    reader, writer = await asyncio.open_unix_connection(server.uri.removeprefix("unix://"))
    writer.write(request)
    writer.write_eof()
    await reader.read()
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize(
    ("name", "request_bytes"),
    [
        pytest.param("T15a", b"", id="dialled and closed"),
        pytest.param("T8", b"", id="closed without notify_finished"),
        pytest.param("T15a", b"\xff", id="unknown method"),
        pytest.param("T9n", b"\x07", id="method of another table"),
        pytest.param("T15a", b"\x01\x00\x00", id="cut off inside a request"),
        pytest.param("T15a", b"\x03\xff\xff\xff\xff", id="four gigabytes announced"),
        pytest.param("T15a", b"\x06" + bytes(24) + b"\x02\0\0\0[]", id="json of the wrong shape"),
        pytest.param("T15a", b"\x06" + bytes(24) + b"\x01\0\0\0{", id="json that is none"),
        pytest.param("T15a", b"\x06" + bytes(24) + b"\x0d\0\0\0" + b'{"value":"x"}', id="no amount"),
    ],
)
async def test_a_broken_executor_ends_the_conversation(
    name: str, request_bytes: bytes, stage: RunStage
) -> None:
    """Section 2.2."""
    async with HostServer(stage, name) as server:
        serving = asyncio.create_task(server.serve())
        await dial(server, request_bytes)
        with pytest.raises(HostBroken):
            await serving
    assert stage.result is None


async def test_only_one_connection_is_accepted_and_nothing_is_left_behind(stage: RunStage) -> None:
    """Section 1: one connection per run."""
    async with HostServer(stage, "T9n") as server:
        path = Path(server.uri.removeprefix("unix://"))
        serving = asyncio.create_task(server.serve())
        await dial(server, b"")
        await serving
        assert not path.exists()
        with pytest.raises(OSError, match="No such file"):
            await asyncio.open_unix_connection(path)
    assert not path.parent.exists()


async def test_a_cancelled_host_closes_its_connection(stage: RunStage) -> None:
    """Section 2.2: the executor sees the end of the stream."""
    async with HostServer(stage, "T8") as server:
        serving = asyncio.create_task(server.serve())
        reader, writer = await asyncio.open_unix_connection(server.uri.removeprefix("unix://"))
        writer.write(bytes((HOST_TABLES["T8"].methods[Method.GET_BALANCE],)) + OTHER.raw)
        assert len(await reader.readexactly(33)) == 33
        serving.cancel()
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()


def test_a_lost_host_is_told_apart_from_a_refusing_one() -> None:
    """Section 3.3."""
    assert not issubclass(HostLost, HostRefused)

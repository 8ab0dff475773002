"""A stand-in for releases that dial their node themselves (T15a, T15b), and a run for a node of their age.

It speaks as these releases do, and tries what it must not be able to; forms are in `images/release/tests`.
"""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import ClientSession, ClientTimeout

from genvm_wire.address import Address
from genvm_wire.calldata import encode
from orchestrator.node.host_server import HostServer
from orchestrator.node.stage import RunStage
from orchestrator.node.store import NodeStore
from tests.e2e.chain import ALICE
from tests.generation_bodies import encoded

CONTRACT = Address(b"\xc0" * 20)
CALLDATA = encode({"method": "foo"})
PAYLOAD = b"\0" + encode({"data": 7, "kind": "Return"})
PROGRAM = """\
#!{python}
import argparse, os, socket, struct, sys

def take(connection, size):
    data = b""
    while len(data) < size:
        piece = connection.recv(size - len(data))
        assert piece, "hung up"
        data += piece
    return data

def refused(attempt):
    try:
        attempt()
    except OSError as error:
        return error
    sys.exit(f"{attempt} worked")

words = sys.argv[1:]
if words == ["precompile"]:
    sys.exit(0)
known = argparse.ArgumentParser(allow_abbrev=False)
known.add_argument("--log-fd", required=True)
known.add_argument("run", choices=["run"])
known.add_argument("--debug-mode", action="store_true")
known.add_argument("--sync", action="store_true")
for value in VALUES:
    known.add_argument(value, required=True)
told = known.parse_args(words)
assert told.debug_mode, words
given = sys.stdin.buffer.read()
assert (b"host_data" in given) is INPUT, given
assert told.host.startswith("unix://")

def dial():
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.connect(told.host.removeprefix("unix://"))
    return connection

node = dial()
if not INPUT:
    node.sendall(bytes([0]))
    (size,) = struct.unpack("<xI", take(node, 5))
    assert take(node, size) == bytes.fromhex("CALLDATA")
node.sendall(bytes([12]) + bytes.fromhex("CONTRACT"))
assert take(node, 33)[0] == 0

# Nothing but its node is to be had, and nobody is to have it.
assert isinstance(refused(dial), ConnectionRefusedError)
listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
for attempt in (
    lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM),
    lambda: socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM),
    lambda: listener.bind("/tmp/m"),
    listener.listen,
    listener.accept,
    node.listen,
    node.accept,
):
    assert isinstance(refused(attempt), PermissionError)
assert isinstance(refused(lambda: os.unlink("n")), OSError)
for kept in (1, os.getppid()):
    assert isinstance(refused(lambda: os.listdir(f"/proc/{kept}/fd")), PermissionError)
    assert isinstance(refused(lambda: open(f"/proc/{kept}/mem", "rb")), PermissionError)
for name in os.listdir("/proc/self/fd"):
    link = f"/proc/self/fd/{name}"
    if int(name) not in (node.fileno(), listener.fileno()) and os.path.lexists(link):
        assert not os.readlink(link).startswith("socket"), name

os.write(told_log := int(told.log_fd), b'{"level": "warn", "message": "as a release logs"}\\n')
print("as a contract prints", flush=True)
payload = bytes.fromhex("PAYLOAD")
node.sendall(bytes([3]) + struct.pack("<I", len(payload)) + payload)
assert take(node, 1) == bytes(1)
"""
GENERATIONS = {"T15a": "A", "T15b": "B1"}
RELEASES = {"T15a": "v0.2.7", "T15b": "v0.2.12"}
VALUES = {
    "T15a": ["--host-data", "--host", "--message", "--cookie"],
    "T15b": ["--storage-pages", "--host", "--permissions", "--genvm-id"],
}


def program(table: str) -> str:
    """A release of that table."""
    said = {
        "VALUES": repr(VALUES[table]),
        "INPUT": repr(table == "T15b"),
        "CALLDATA": CALLDATA.hex(),
        "CONTRACT": CONTRACT.raw.hex(),
        "PAYLOAD": PAYLOAD.hex(),
    }
    text = PROGRAM
    for name, value in said.items():
        text = text.replace(name, value)
    return text


async def asked(
    address: str, store: NodeStore, table: str, server: type[HostServer] = HostServer
) -> tuple[RunStage, dict[str, Any]]:
    """A run that a node of that age has asked for and served: what it knows of it, and the status."""
    stage = RunStage(store, CONTRACT, ALICE, CALLDATA, is_deploy=False)
    async with (
        ClientSession(address, timeout=ClientTimeout(total=120)) as client,
        server(stage, table, 8) as host,
        asyncio.TaskGroup() as group,
    ):
        group.create_task(host.serve())
        body = encoded(GENERATIONS[table], host.uri, messages={"contract_address": CONTRACT})
        async with client.post("/genvm/run", data=body) as response:
            started = await response.json()
        async with client.get(f"/genvm/{started['id']}", params={"wait": "60s"}) as response:
            status: dict[str, Any] = (await response.json())["status"]
    return stage, status


def check(stage: RunStage, status: dict[str, Any]) -> None:
    """That all went well."""
    assert (status["cause"], status["exit_code"], status.get("error")) == ("exited", 0, None)
    assert stage.result == PAYLOAD
    assert (status["result_code"], status["delivered"]) == (0, True)
    # Nodes of this age have it already.
    assert status.get("consumed_result") is None
    assert status["stdout"] == "as a contract prints\n"
    assert "as a release logs" in [record["message"] for record in status["genvm_log"]]

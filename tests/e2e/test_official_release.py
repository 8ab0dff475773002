"""An official release in a container: built from its archive, named by a manifest, asked by a node.

The program is a stand-in that speaks as releases do; its forms are in `images/release/tests`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from aiohttp import ClientSession, ClientTimeout

from genvm_wire.address import Address
from genvm_wire.calldata import encode
from orchestrator.node.host_server import HostServer
from orchestrator.node.stage import RunStage
from orchestrator.node.store import NodeStore
from tests.e2e.chain import ALICE
from tests.e2e.manager_process import ManagerProcess, running_manager
from tests.e2e.official_image import manifest_of, release_image
from tests.generation_bodies import encoded

CONTRACT = Address(b"\xc0" * 20)
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

words = sys.argv[1:]
if words == ["precompile"]:
    sys.exit(0)
known = argparse.ArgumentParser(allow_abbrev=False)
for value in ("--log-fd", "--permissions", "--genvm-id"):
    known.add_argument(value, required=True)
known.add_argument("run", choices=["run"])
known.add_argument("--sync", action="store_true")
known.add_argument("--debug-mode", action="store_true")
known.add_argument("--host", action="append")
assert known.parse_args(words).debug_mode, words
hosts = [int(words[at + 1].removeprefix("fd://")) for at, word in enumerate(words) if word == "--host"]
node, manager = (socket.socket(fileno=number) for number in hosts)
assert b"host_data" in sys.stdin.buffer.read()
try:
    open("/proc/1/mem", "rb")
except OSError:
    pass
else:
    sys.exit("the first process is within reach, and it keeps the deadline")
node.sendall(bytes([3]) + bytes.fromhex("CONTRACT"))
assert take(node, 33)[0] == 0
os.write(int(words[0].partition("=")[2]), b'{"level": "warn", "message": "as a release logs"}\\n')
print("as a contract prints", flush=True)
payload = bytes.fromhex("PAYLOAD")
manager.sendall(bytes([6]) + struct.pack("<I", len(payload)) + payload)
assert take(manager, 1) == bytes(1)
node.sendall(bytes([7]))
assert take(node, 1) == bytes(1)
""".replace("CONTRACT", CONTRACT.raw.hex()).replace("PAYLOAD", PAYLOAD.hex())


@pytest.fixture
def image(engine: docker.APIClient, executor_image: str, tmp_path: Path) -> Iterator[str]:
    with release_image(engine, tmp_path, "v0.3.0-rc1", PROGRAM) as name:
        yield name


@pytest.fixture
def wrapped(engine: docker.APIClient, image: str, tmp_path: Path) -> Iterator[ManagerProcess]:
    """A manager whose only executor that image is."""
    manifest = manifest_of(tmp_path, "v0.3.0-rc1", image, "T8")
    with running_manager(engine, manifest=manifest) as running:
        yield running


async def test_a_node_is_served_by_an_official_release(
    engine: docker.APIClient, image: str, wrapped: ManagerProcess, store: NodeStore
) -> None:
    made = engine.inspect_image(image)["Config"]  # type: ignore[no-untyped-call]
    assert made["Labels"]["io.genvm.orchestrator.image.watchdog"] == "1"
    stage = RunStage(store, CONTRACT, ALICE, b"", is_deploy=False)
    async with (
        ClientSession(wrapped.address, timeout=ClientTimeout(total=120)) as client,
        HostServer(stage, "T8", 8) as host,
        asyncio.TaskGroup() as group,
    ):
        group.create_task(host.serve())
        body = encoded("B3", host.uri, messages={"contract_address": CONTRACT})
        async with client.post("/genvm/run", data=body) as response:
            started = await response.json()
        async with client.get(f"/genvm/{started['id']}", params={"wait": "60s"}) as response:
            status = (await response.json())["status"]
    assert bytes(status["consumed_result"]) == PAYLOAD
    assert status["stdout"] == "as a contract prints\n"
    assert "as a release logs" in [record["message"] for record in status["genvm_log"]]

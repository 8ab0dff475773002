"""An official release in a container: built from its archive, named by a manifest, asked by a node.

The program is a stand-in that speaks as releases do; its forms are in `images/release/tests`.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import secrets
import tarfile
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from aiohttp import ClientSession, ClientTimeout

from genvm_wire.address import Address
from genvm_wire.calldata import encode
from orchestrator.imaging import arguments, cli
from orchestrator.imaging.engine import ImageEngine
from orchestrator.node.host_server import HostServer
from orchestrator.node.stage import RunStage
from orchestrator.node.store import NodeStore
from tests.e2e.chain import ALICE
from tests.e2e.manager_process import ManagerProcess, running_manager
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
node.sendall(bytes([3]) + bytes.fromhex("{contract}"))
assert take(node, 33)[0] == 0
os.write(int(words[0].partition("=")[2]), b'{{"level": "warn", "message": "as a release logs"}}\\n')
print("as a contract prints", flush=True)
payload = bytes.fromhex("{payload}")
manager.sendall(bytes([6]) + struct.pack("<I", len(payload)) + payload)
assert take(manager, 1) == bytes(1)
node.sendall(bytes([7]))
assert take(node, 1) == bytes(1)
"""


@pytest.fixture
def image(engine: docker.APIClient, executor_image: str, tmp_path: Path) -> Iterator[str]:
    """What `images release` makes of an archive."""
    with ImageEngine() as images:
        python = images.ask_python("genvm-base:latest", "import sys; print(sys.executable)")
    text = PROGRAM.format(python=python, contract=CONTRACT.raw.hex(), payload=PAYLOAD.hex()).encode()
    archive = tmp_path / "genvm-linux.tar.xz"
    with tarfile.open(archive, "w:xz") as packed:
        entry = tarfile.TarInfo("executor/v0.3.0-rc1/bin/genvm")
        entry.size, entry.mode = len(text), 0o755
        packed.addfile(entry, io.BytesIO(text))
    version = f"v0.3.0-{secrets.token_hex(4)}"
    parser = argparse.ArgumentParser()
    arguments.add_commands(parser.add_subparsers(required=True))
    assert cli.run(parser.parse_args(["images", "release", str(archive), version])) == 0
    yield f"genvm-release:{version}"
    engine.remove_image(f"genvm-release:{version}")


@pytest.fixture
def wrapped(engine: docker.APIClient, image: str, tmp_path: Path) -> Iterator[ManagerProcess]:
    """A manager whose only executor that image is."""
    manifest = tmp_path / "manifest.yaml"
    entry = f'{{available_after: "2024-01-01T00:00:00Z", image: "{image}", host_table: T8}}'
    manifest.write_text(f"executor_versions:\n  v0.3.0-rc1: {entry}\n")
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

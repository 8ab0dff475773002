"""The filter between a client and an engine: what goes through, what is looked up, what never arrives."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from orchestrator.engine_filter.place import Place
from orchestrator.engine_filter.service import EngineFilter, filtered
from orchestrator.runtime.docker import options
from orchestrator.runtime.docker.settings import DockerSettings
from orchestrator.runtime.port import InstanceSpec, Role

OURS, THEIRS = "a" * 64, "b" * 64
LABELS = {OURS: {"io.genvm.orchestrator.managed-by": "1"}, THEIRS: {"com.example": "theirs"}}


class Engine:
    """Answers as an engine does, and keeps what arrived."""

    def __init__(self) -> None:
        self.arrived: list[tuple[str, Any]] = []
        self.mounts: list[dict[str, str]] = []
        self.let_go = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        body = await reader.readexactly(length)
        line = head.decode().split("\r\n")[0].removesuffix(" HTTP/1.1")
        self.arrived.append((line, json.loads(body) if body else None))
        if "/events" in line:
            writer.write(b'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{"status":"start"}\n')
            await writer.drain()
            assert await reader.read(1) == b""
            self.let_go.set()
        else:
            writer.write(self.answer(line))
        writer.close()

    def answer(self, line: str) -> bytes:
        name = line.rsplit("/containers/", maxsplit=1)[-1].split("/", maxsplit=1)[0].split("?", maxsplit=1)[0]
        container = {"ours": OURS, "theirs": THEIRS}.get(name, name)
        if line.startswith("GET") and line.endswith("/json") and "/containers/" in line:
            if container not in LABELS:
                return answer(404, {"message": "No such container"})
            config = {"Labels": LABELS[container]}
            return answer(200, {"Id": container, "Config": config, "Mounts": self.mounts})
        return answer(200, {"Id": "made"})


def answer(status: int, body: object) -> bytes:
    text = json.dumps(body).encode()
    return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % (status, len(text)) + text


class Doorway:
    def __init__(self, engine: Engine, socket: Path, state: Path) -> None:
        self.engine, self.socket, self.state = engine, socket, state

    async def ask(self, line: str, body: object = None, raw: bytes | None = None) -> tuple[int, Any]:
        reader, writer = await asyncio.open_unix_connection(str(self.socket))
        text = b"" if body is None else json.dumps(body).encode()
        writer.write(
            raw or f"{line} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(text)}\r\n\r\n".encode() + text
        )
        said = await reader.read()
        writer.close()
        head, _, rest = said.partition(b"\r\n\r\n")
        return int(head.split(b" ")[1]), json.loads(rest)

    @property
    def calls(self) -> list[str]:
        return [line for line, _ in self.engine.arrived]


@asynccontextmanager
async def opened(tmp_path: Path) -> AsyncIterator[Doorway]:
    state = tmp_path / "state"
    (state / "instances" / "run-7").mkdir(parents=True)
    engine = Engine()
    server = await asyncio.start_unix_server(engine.serve, str(tmp_path / "engine"))
    place = Place(state, frozenset({"genvm-executor"}))
    async with server, filtered(place, tmp_path / "engine", tmp_path / "filter"):
        yield Doorway(engine, tmp_path / "filter", state)


@pytest.fixture
async def doorway(tmp_path: Path) -> AsyncIterator[Doorway]:
    async with opened(tmp_path) as made:
        yield made


def executor(state: Path, network: str = "none", directory: str = "run-7") -> Any:
    spec = InstanceSpec(
        name="run-7",
        role=Role.EXECUTOR,
        image="genvm-executor",
        version="",
        execution_id=7,
        deadline=None,
        memory_bytes=1024**3,
        cpus=1.0,
        pids=64,
    )
    settings = DockerSettings("1", state, network=network)
    made = options.create_body(
        settings, spec, state / "instances" / directory, "a", options.seccomp_profile(), guarded=True
    )
    return copy.deepcopy(made)


CREATE = "POST /v1.41/containers/create?name=genvm-1-run-7"


async def test_a_container_is_made_as_it_was_judged(doorway: Doorway) -> None:
    body = executor(doorway.state)
    assert await doorway.ask(CREATE, body) == (200, {"Id": "made"})
    assert doorway.engine.arrived == [(CREATE, body)]


async def test_a_privileged_one_never_arrives(doorway: Doorway) -> None:
    body = executor(doorway.state)
    body["HostConfig"]["Privileged"] = True
    status, said = await doorway.ask(CREATE, body)
    assert status == 403
    assert said == {
        "message": "this container is not made: HostConfig.Privileged has a value that no manager sets"
    }
    assert doorway.calls == []


async def test_a_key_that_is_said_twice_never_arrives(doorway: Doorway) -> None:
    text = json.dumps(executor(doorway.state)).replace(
        '"Privileged": false', '"Privileged": false, "Privileged": true'
    )
    raw = f"{CREATE} HTTP/1.1\r\nContent-Length: {len(text)}\r\n\r\n{text}".encode()
    status, _ = await doorway.ask("", raw=raw)
    assert (status, doorway.calls) == (400, [])


async def test_a_second_request_behind_the_first_never_arrives(doorway: Doorway) -> None:
    raw = b"GET /version HTTP/1.1\r\n\r\nPOST /containers/create HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}"
    reader, writer = await asyncio.open_unix_connection(str(doorway.socket))
    writer.write(raw)
    await reader.read()
    writer.close()
    assert not any("create" in line for line in doorway.calls)


@pytest.mark.parametrize("header", ["Transfer-Encoding: chunked", "Upgrade: tcp", "Content-Length: -1"])
async def test_a_connection_is_not_taken_over(doorway: Doorway, header: str) -> None:
    status, _ = await doorway.ask(
        "", raw=f"POST /containers/ours/start HTTP/1.1\r\n{header}\r\n\r\n".encode()
    )
    assert (status, doorway.calls) == (413 if "Length" in header else 400, [])


async def test_ours_is_found_by_name_and_spoken_of_by_its_id(doorway: Doorway) -> None:
    assert (await doorway.ask("POST /v1.41/containers/ours/kill?signal=SIGKILL"))[0] == 200
    assert doorway.calls == [
        "GET /v1.41/containers/ours/json",
        f"POST /v1.41/containers/{OURS}/kill?signal=SIGKILL",
    ]


@pytest.mark.parametrize(
    "line",
    [
        "GET /containers/theirs/json",
        "GET /containers/theirs/logs?stdout=1",
        "POST /containers/theirs/start",
        "POST /containers/theirs/kill?signal=SIGKILL",
        "POST /containers/theirs/wait",
        "DELETE /containers/theirs?force=True",
        "DELETE /containers/nobody?force=True",
    ],
)
async def test_anybody_elses_container_is_as_if_it_had_never_been(doorway: Doorway, line: str) -> None:
    name = "nobody" if "nobody" in line else "theirs"
    assert await doorway.ask(line) == (404, {"message": f"No such container: {name}"})
    assert doorway.calls == [f"GET /containers/{name}/json"]


async def test_a_network_is_shared_with_ours_only(doorway: Doorway) -> None:
    refused, _ = await doorway.ask(CREATE, executor(doorway.state, network="container:theirs"))
    assert refused == 404
    made, _ = await doorway.ask(CREATE, executor(doorway.state, network="container:ours"))
    assert made == 200
    assert doorway.engine.arrived[-1][1]["HostConfig"]["NetworkMode"] == f"container:{OURS}"


async def test_a_link_is_not_mounted(doorway: Doorway) -> None:
    (doorway.state / "instances" / "link").symlink_to("/")
    status, said = await doorway.ask(CREATE, executor(doorway.state, directory="link"))
    assert status == 403
    assert "leads elsewhere" in said["message"]
    assert doorway.calls == []


async def test_a_directory_that_became_a_link_is_not_started(doorway: Doorway) -> None:
    place = doorway.state / "instances" / "run-7"
    doorway.engine.mounts = [{"Type": "bind", "Source": str(place)}]
    assert (await doorway.ask("POST /containers/ours/start"))[0] == 200
    place.rmdir()
    place.symlink_to("/")
    assert (await doorway.ask("POST /containers/ours/start"))[0] == 403
    assert doorway.calls.count(f"POST /containers/{OURS}/start") == 1


async def test_what_streams_goes_on_until_the_client_leaves(doorway: Doorway) -> None:
    reader, writer = await asyncio.open_unix_connection(str(doorway.socket))
    filters = '{"label":["io.genvm.orchestrator.managed-by=1"]}'.replace('"', "%22")
    writer.write(f"GET /events?filters={filters} HTTP/1.1\r\n\r\n".encode())
    await reader.readuntil(b'{"status":"start"}\n')
    assert not doorway.engine.let_go.is_set()
    writer.close()
    await asyncio.wait_for(doorway.engine.let_go.wait(), 60)


async def test_an_engine_that_is_away_is_said_as_such(tmp_path: Path) -> None:
    place = Place(tmp_path, frozenset())
    async with filtered(place, tmp_path / "nobody", tmp_path / "filter"):
        reader, writer = await asyncio.open_unix_connection(str(tmp_path / "filter"))
        writer.write(b"GET /version HTTP/1.1\r\n\r\n")
        said = await reader.read()
        writer.close()
    assert said.startswith(b"HTTP/1.1 502 ")


async def test_the_socket_is_its_owners_alone_and_goes_with_the_filter(tmp_path: Path) -> None:
    socket = tmp_path / "filter"
    async with filtered(Place(tmp_path, frozenset()), tmp_path / "engine", socket) as served:
        assert isinstance(served, EngineFilter)
        assert socket.stat().st_mode & 0o777 == 0o600
    assert not socket.exists()

"""An engine that says no to the start of a fresh container, as one did: it is there all the same."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path

import docker
import pytest

from genvm_module.listening import stop_listening
from orchestrator.runtime.docker import DockerRuntime, DockerSettings
from orchestrator.runtime.docker.settings import VOID
from orchestrator.runtime.port import EngineRefused
from tests.integration.runtime.runtime_kit import MakeSpec, leftovers

SAID = '{"message":"OCI runtime start failed: cannot start an already running container: unknown"}\n'
HEAD = "HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\nContent-Length: "
NO = f"{HEAD}{len(SAID)}\r\n\r\n{SAID}".encode()


class Refusing:
    """In front of the engine's socket: of each `start` its script says what becomes of it.

    `pass`: it goes through; `no`: it is refused; `done`: it is done, and refused.
    What comes after it goes through.
    """

    def __init__(self, engine: docker.APIClient) -> None:
        self.script: list[str] = []
        self.starts = 0
        self._engine = engine

    async def enter(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back_reader, back = await asyncio.open_unix_connection("/var/run/docker.sock")
        try:
            await asyncio.gather(self._requests(reader, back, writer), _passed(back_reader, writer))
        finally:
            back.close()

    async def _requests(
        self, reader: asyncio.StreamReader, back: asyncio.StreamWriter, writer: asyncio.StreamWriter
    ) -> None:
        try:
            while data := await reader.read(2**20):
                # A start has no body, and its head is sent in one piece.
                method, path, *_ = [*data.split(b" ", 2), b""]
                if method == b"POST" and path.endswith(b"/start"):
                    self.starts += 1
                    how = self.script.pop(0) if self.script else "pass"
                    if how == "done":
                        await asyncio.to_thread(self._engine.start, path.decode().split("/")[-2])
                    if how != "pass":
                        writer.write(NO)
                        continue
                back.write(data)
        finally:
            back.close()


async def _passed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(2**16):
            writer.write(data)
    finally:
        writer.close()


@pytest.fixture
async def refusing(engine: docker.APIClient, state_dir: Path) -> AsyncIterator[Refusing]:
    front = Refusing(engine)
    server = await asyncio.start_unix_server(front.enter, str(state_dir / "engine.sock"))
    yield front
    await stop_listening(server)


@pytest.fixture
async def runtime(
    engine: docker.APIClient, docker_settings: DockerSettings, state_dir: Path, refusing: Refusing
) -> AsyncIterator[DockerRuntime]:
    url = f"http+unix://{state_dir / 'engine.sock'}"
    settings = dataclasses.replace(docker_settings, base_url=url, network=VOID)
    async with DockerRuntime(settings) as made:
        yield made
    assert leftovers(engine, settings) == []


@pytest.mark.parametrize(
    "script",
    [["done"], ["no"], ["pass", "done"], ["pass", "no"]],
    ids=["void-done", "void-no", "instance-done", "instance-no"],
)
async def test_a_start_that_is_refused_once_is_looked_into_and_made_good(
    runtime: DockerRuntime, refusing: Refusing, engine: docker.APIClient, spec: MakeSpec, script: list[str]
) -> None:
    refusing.script = [*script]
    instance = await runtime.start(spec())
    mode = engine.inspect_container(instance.engine_id)["HostConfig"]["NetworkMode"]
    assert mode.startswith("container:")
    assert refusing.starts == 2 + script.count("no")
    await instance.destroy()


async def test_an_instance_whose_start_is_refused_again_is_refused_and_leaves_nothing(
    runtime: DockerRuntime, refusing: Refusing, spec: MakeSpec
) -> None:
    refusing.script = ["pass", "no", "no"]
    with pytest.raises(EngineRefused, match="already running"):
        await runtime.start(spec())
    assert refusing.starts == 3

"""The first process of an executor's container (docs/instance-protocol.md, the watch channel).

The manager dies as far as an instance can see: its ends of all channels are closed, nobody listens any more,
and nobody kills.
"""

from __future__ import annotations

import asyncio
import io
import json
import os
import secrets
import shutil
import signal
import tarfile
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import docker
import pytest

from genvm_wire.instance_messages import Exit, from_instance
from orchestrator.runtime.docker import DockerRuntime, DockerSettings
from orchestrator.runtime.docker.instance import DockerInstance
from orchestrator.runtime.port import InstanceSpec, Role
from tests.integration import watchdog_probe

EXECUTOR = "genvm-executor:latest"
HOSTILE = "genvm-test-watchdog"
PROBE = Path(watchdog_probe.__file__)
PATIENCE = 120
ALARM = 128 + 14
MIB = 1024 * 1024
REFUSED = {"EPERM", "EACCES", "EROFS"}


def build(engine: docker.APIClient, tag: str, files: dict[str, bytes]) -> str:
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0o644
            tar.addfile(info, io.BytesIO(data))
    context.seek(0)
    for line in engine.build(fileobj=context, custom_context=True, tag=tag, rm=True, decode=True):
        assert "error" not in line, line
    return tag


@pytest.fixture(scope="module")
def hostile_image(engine: docker.APIClient) -> str:
    dockerfile = (
        f"FROM {EXECUTOR}\nCOPY {PROBE.name} /opt/genvm/lib/\n"
        'ENTRYPOINT ["python3", "-s", "-S", "-P", "/opt/genvm/first.py", "watchdog_probe"]\n'
    )
    return build(engine, HOSTILE, {"Dockerfile": dockerfile.encode(), PROBE.name: PROBE.read_bytes()})


@pytest.fixture
def state_dir() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="genvm-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
async def runtime(state_dir: Path) -> AsyncIterator[DockerRuntime]:
    async with DockerRuntime(DockerSettings(f"test-{secrets.token_hex(4)}", state_dir)) as made:
        yield made


@asynccontextmanager
async def started(runtime: DockerRuntime, what: InstanceSpec) -> AsyncIterator[DockerInstance]:
    instance = await runtime.start(what)
    try:
        yield instance
    finally:
        await instance.destroy()


def spec(image: str, name: str = "one") -> InstanceSpec:
    return InstanceSpec(name, Role.EXECUTOR, image, "v0.2.12", 7, None, 512 * MIB, 1.0, 24)


def manager_dies(instance: DockerInstance) -> None:
    """Nothing of it is left; what it started goes on."""
    instance.meeting.close()


async def report_of(instance: DockerInstance) -> Any:
    said: Any = await instance.control.receive(from_instance)
    return json.loads(said.records[0]["said"])


async def end_of(engine: docker.APIClient, instance: DockerInstance) -> int:
    """The container's exit code, from the engine."""
    ended = await asyncio.to_thread(engine.wait, instance.engine_id, PATIENCE)
    return int(ended["StatusCode"])


async def test_nothing_that_a_hostile_program_does_keeps_it_beyond_its_deadline(
    engine: docker.APIClient, runtime: DockerRuntime, hostile_image: str, subtests: pytest.Subtests
) -> None:
    async with started(runtime, spec(hostile_image)) as instance:
        report = await report_of(instance)
        instance.end_within(1)
        # The word is in the watchdog's socket by now, and stays there when its sender dies.
        manager_dies(instance)
        for attempt, came in report["attempts"].items():
            with subtests.test(attempt):
                assert came in REFUSED
        assert report["pid"] != 1
        assert await end_of(engine, instance) == ALARM


async def test_a_program_without_a_deadline_ends_when_no_manager_comes_back(
    engine: docker.APIClient, runtime: DockerRuntime, hostile_image: str
) -> None:
    # One second of idling, as an image may set it; the watchdog gives the program twice as much.
    impatient = await asyncio.to_thread(with_variable, engine, hostile_image, "GENVM_IDLE_SECONDS=1")
    async with started(runtime, spec(impatient)) as instance:
        await report_of(instance)
        manager_dies(instance)
        assert await end_of(engine, instance) == ALARM


def with_variable(engine: docker.APIClient, image: str, variable: str) -> str:
    """The image with one more variable in its environment."""
    return build(engine, f"{image}:impatient", {"Dockerfile": f"FROM {image}\nENV {variable}\n".encode()})


async def test_the_next_manager_s_word_is_the_one_that_counts(
    engine: docker.APIClient, state_dir: Path, hostile_image: str
) -> None:
    settings = DockerSettings(f"test-{secrets.token_hex(4)}", state_dir)
    async with DockerRuntime(settings) as first, DockerRuntime(settings) as second:
        instance = await first.start(spec(hostile_image))
        await report_of(instance)
        instance.end_within(3600)
        manager_dies(instance)
        first.watch.discard(instance)
        adopted = await second.adopt(spec(hostile_image))
        assert adopted is not None
        adopted.end_within(1)
        assert await end_of(engine, adopted) == ALARM
        await adopted.destroy()


async def test_an_executor_is_not_the_first_process_and_the_first_one_is_shut(
    engine: docker.APIClient, runtime: DockerRuntime
) -> None:
    async with started(runtime, spec(EXECUTOR)) as instance:
        inspected = await asyncio.to_thread(engine.inspect_container, instance.engine_id)
        first = Path(f"/proc/{inspected['State']['Pid']}")
        assert inspected["HostConfig"]["Init"] is False
        # What is not dumpable belongs to root, whoever runs it.
        assert (first / "mem").stat().st_uid == 0
        (child,) = (first / f"task/{first.name}/children").read_text("ascii").split()
        second = Path("/proc", child)
        assert (second / "mem").stat().st_uid != 0
        # A fork of the first one: no interpreter was started for it.
        assert (second / "cmdline").read_bytes() == (first / "cmdline").read_bytes()
        # What the one writes, the other does not read.
        assert " rw-s " not in (first / "maps").read_text()
        await instance.control.send(Exit())
        assert (await instance.wait_exit()).exit_code == 0


async def test_a_killed_executor_ends_its_container_by_the_same_signal(
    engine: docker.APIClient, runtime: DockerRuntime
) -> None:
    async with started(runtime, spec(EXECUTOR)) as instance:
        inspected = await asyncio.to_thread(engine.inspect_container, instance.engine_id)
        first = inspected["State"]["Pid"]
        (child,) = Path(f"/proc/{first}/task/{first}/children").read_text("ascii").split()
        os.kill(int(child), signal.SIGABRT)
        assert (await instance.wait_exit()).signal == signal.SIGABRT

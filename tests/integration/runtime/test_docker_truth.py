"""What the Docker runtime knows when the engine, its events or the manager itself go away."""

from __future__ import annotations

import asyncio
import dataclasses
import gc
from collections.abc import AsyncIterator
from pathlib import Path

import docker
import pytest

from genvm_module.listening import stop_listening
from orchestrator.runtime.docker import DockerRuntime, DockerSettings, guarded
from orchestrator.runtime.docker.options import container_name
from orchestrator.runtime.port import EngineRefused, EngineUnreachable
from tests.integration.runtime.runtime_kit import MakeSpec, job_to, leftovers
from tests.until import until

# The Docker SDK leaves its socket to the garbage collector when it cannot connect.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


class Doorway:
    """A unix socket in front of the engine's own, which can be shut: the engine is away then."""

    def __init__(self, path: Path, engine_path: str) -> None:
        self.path = path
        self._engine_path = engine_path
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        self._server = await asyncio.start_unix_server(self._enter, str(self.path))

    async def shut(self) -> None:
        if self._server is not None:
            await stop_listening(self._server)
            self.path.unlink(missing_ok=True)
            self._server = None
        for writer in list(self._writers):
            writer.transport.abort()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _enter(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        back_reader, back_writer = await asyncio.open_unix_connection(self._engine_path)
        self._writers |= {writer, back_writer}
        if self._server is None:  # shut meanwhile
            writer.transport.abort()
            back_writer.transport.abort()
        await asyncio.gather(self._pass(reader, back_writer), self._pass(back_reader, writer))
        self._writers -= {writer, back_writer}

    @staticmethod
    async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()


@pytest.fixture
async def doorway(state_dir: Path) -> AsyncIterator[Doorway]:
    door = Doorway(state_dir / "engine.sock", "/var/run/docker.sock")
    await door.open()
    yield door
    await door.shut()
    gc.collect()  # so that what the filter below is for happens here


@pytest.fixture
async def behind_door(
    engine: docker.APIClient, docker_settings: DockerSettings, doorway: Doorway
) -> AsyncIterator[DockerRuntime]:
    settings = dataclasses.replace(docker_settings, base_url=f"http+unix://{doorway.path}")
    runtime = DockerRuntime(settings)
    yield runtime
    await runtime.aclose()
    for name in (left := leftovers(engine, settings)):
        engine.remove_container(name, force=True)
    assert left == []


async def test_exits_while_the_event_stream_is_broken_are_not_missed(
    docker_runtime: DockerRuntime, spec: MakeSpec
) -> None:
    instances = [await docker_runtime.start(spec()) for _ in range(4)]
    for number, instance in enumerate(instances):
        docker_runtime.watch.stream.interrupt()
        await instance.control.send(job_to(f"exit:{number}"))
    exits = [await instance.wait_exit() for instance in instances]
    assert [one.exit_code for one in exits] == [0, 1, 2, 3]
    assert docker_runtime.watch.stream.connections > 1
    await asyncio.gather(*(instance.destroy() for instance in instances))


async def test_an_engine_that_is_away_changes_nothing_and_is_asked_again(
    behind_door: DockerRuntime, doorway: Doorway, engine: docker.APIClient, spec: MakeSpec
) -> None:
    instance = await behind_door.start(spec())
    waiting = asyncio.create_task(instance.wait_exit())
    await doorway.shut()
    await until(lambda: not behind_door.statistics().event_stream_connected)
    with pytest.raises(EngineUnreachable):
        await behind_door.ping()
    assert behind_door.reachable() is False
    await asyncio.to_thread(engine.kill, instance.engine_id)
    assert not waiting.done()
    await doorway.open()
    assert (await waiting).signal == 9
    assert behind_door.reachable() is True
    await instance.destroy()
    statistics = behind_door.statistics()
    assert statistics.absences >= 1
    assert statistics.calls is not None
    counted = {key: calls.count for key, calls in statistics.calls.calls().items()}
    assert counted["POST containers/create", "ok"] == counted["POST containers/start", "ok"] >= 1
    assert counted["GET _ping", "unanswered"] >= 1


async def test_a_start_without_an_engine_is_unreachable_leaves_no_directory_and_may_be_repeated(
    behind_door: DockerRuntime,
    doorway: Doorway,
    spec: MakeSpec,
    state_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # What it knows of the image lets it come as far as making the container.
    monkeypatch.setattr(guarded, "BELIEVED_S", 3600.0)
    await (await behind_door.start(spec())).destroy()
    wanted = spec()
    await doorway.shut()
    with pytest.raises(EngineUnreachable):
        await behind_door.start(wanted)
    assert list((state_dir / "instances").iterdir()) == []
    assert behind_door.statistics().removals_pending == 1
    await doorway.open()
    again = await behind_door.start(wanted)
    assert behind_door.statistics().removals_pending == 0
    await again.destroy()


async def test_a_container_that_cannot_be_removed_now_is_removed_when_the_engine_is_back(
    behind_door: DockerRuntime, doorway: Doorway, engine: docker.APIClient, spec: MakeSpec
) -> None:
    instance = await behind_door.start(spec())
    await doorway.shut()
    with pytest.raises(EngineUnreachable):
        await instance.destroy()
    assert behind_door.statistics().removals_pending == 1
    await doorway.open()
    await until(lambda: behind_door.statistics().removals_pending == 0)
    with pytest.raises(docker.errors.NotFound):
        await asyncio.to_thread(engine.inspect_container, instance.engine_id)


async def test_a_container_removed_by_somebody_else_has_ended(
    docker_runtime: DockerRuntime, engine: docker.APIClient, spec: MakeSpec
) -> None:
    instance = await docker_runtime.start(spec())
    await asyncio.to_thread(engine.remove_container, instance.engine_id, force=True)
    exit_ = await instance.wait_exit()
    assert exit_.exit_code is None
    await instance.destroy()


async def test_a_foreign_container_under_the_name_is_refused_and_left_alone(
    docker_runtime: DockerRuntime,
    docker_settings: DockerSettings,
    engine: docker.APIClient,
    spec: MakeSpec,
    state_dir: Path,
) -> None:
    wanted = spec()
    name = container_name(docker_settings, wanted.name)
    foreign = await asyncio.to_thread(engine.create_container, wanted.image, name=name)
    try:
        with pytest.raises(EngineRefused, match="taken"):
            await docker_runtime.start(wanted)
        await asyncio.to_thread(engine.inspect_container, foreign["Id"])
    finally:
        await asyncio.to_thread(engine.remove_container, foreign["Id"], force=True)
    assert list((state_dir / "instances").iterdir()) == []


async def test_a_new_manager_adopts_a_running_instance_and_sweeps_the_others(
    docker_settings: DockerSettings, engine: docker.APIClient, spec: MakeSpec
) -> None:
    earlier = DockerRuntime(docker_settings)
    kept_spec, stale_spec = spec(), spec()
    kept_before = await earlier.start(kept_spec)
    stale = await earlier.start(stale_spec)
    await earlier.aclose()
    async with DockerRuntime(docker_settings) as later:
        kept = await later.adopt(kept_spec)
        assert kept is not None
        assert kept.engine_id == kept_before.engine_id
        assert await later.sweep(frozenset()) == [stale_spec.name]
        with pytest.raises(docker.errors.NotFound):
            await asyncio.to_thread(engine.inspect_container, stale.engine_id)
        await kept.kill()
        assert (await kept.wait_exit()).signal == 9
        await kept.destroy()
        assert await later.adopt(stale_spec) is None
    assert leftovers(engine, docker_settings) == []
    kept_before.meeting.close()
    stale.meeting.close()


async def test_labels_carry_ids_only(
    docker_runtime: DockerRuntime, docker_settings: DockerSettings, engine: docker.APIClient, spec: MakeSpec
) -> None:
    instance = await docker_runtime.start(spec())
    inspected = await asyncio.to_thread(engine.inspect_container, instance.engine_id)
    ours = {
        key.removeprefix(docker_settings.label_prefix)
        for key in inspected["Config"]["Labels"]
        if key.startswith(docker_settings.label_prefix) and ".image." not in key
    }
    assert ours == {"managed-by", "instance", "role", "version", "attempt", "execution"}
    await instance.destroy()

"""Runtimes with a purpose-built instance program; everything they leave is an error."""

from __future__ import annotations

import io
import secrets
import shutil
import sys
import tarfile
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import docker
import pytest

from orchestrator.runtime.docker import DockerRuntime, DockerSettings
from orchestrator.runtime.kubernetes.cluster import Cluster
from orchestrator.runtime.kubernetes.runtime import KubernetesRuntime
from orchestrator.runtime.kubernetes.settings import KubernetesSettings
from orchestrator.runtime.pool import PoolRuntime, PoolSettings
from orchestrator.runtime.port import InstanceSpec, Role
from orchestrator.runtime.process import ProcessRuntime, ProcessSettings
from tests.integration.runtime.runtime_kit import IMAGE, MIB, MODES, PROBE, AnyRuntime, MakeSpec, leftovers
from tests.kubernetes.kube_api import KubeApi
from tests.kubernetes.kube_node import Node
from tests.until import until


def build(engine: docker.APIClient, base: str, mode: str) -> None:
    dockerfile = f'FROM {base}\nCOPY probe.py /opt/probe.py\nCMD ["python3", "/opt/probe.py", "{mode}"]\n'
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as tar:
        for name, data in (("Dockerfile", dockerfile.encode()), ("probe.py", PROBE.read_bytes())):
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0o644
            tar.addfile(info, io.BytesIO(data))
    context.seek(0)
    for line in engine.build(
        fileobj=context, custom_context=True, tag=f"{IMAGE}:{mode}", rm=True, decode=True
    ):
        assert "error" not in line, line


@pytest.fixture(scope="session")
def probe_images(engine: docker.APIClient, base_image: str) -> str:
    for mode in MODES:
        build(engine, base_image, mode)
    return IMAGE


@pytest.fixture
def state_dir() -> Iterator[Path]:
    """A short one: unix socket paths are."""
    path = Path(tempfile.mkdtemp(prefix="genvm-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def docker_settings(probe_images: str, state_dir: Path) -> DockerSettings:
    return DockerSettings(
        manager_id=f"test-{secrets.token_hex(4)}",
        state_dir=state_dir,
        reconnect_delay=0.05,
        removal_retry=0.1,
    )


@pytest.fixture
async def docker_runtime(
    engine: docker.APIClient, docker_settings: DockerSettings
) -> AsyncIterator[DockerRuntime]:
    runtime = DockerRuntime(docker_settings)
    yield runtime
    await runtime.aclose()
    for name in (left := leftovers(engine, docker_settings)):
        engine.remove_container(name, force=True)
    assert left == []


@pytest.fixture
async def process_runtime(state_dir: Path) -> AsyncIterator[ProcessRuntime]:
    commands: dict[str, tuple[str, ...]] = {"absent": ("/nonexistent",)}
    commands |= {f"{IMAGE}:{mode}": (sys.executable, str(PROBE), mode) for mode in MODES}
    runtime = ProcessRuntime(ProcessSettings("test", state_dir, commands))
    yield runtime
    await runtime.aclose()


@pytest.fixture
async def pool_runtime(process_runtime: ProcessRuntime, spec: MakeSpec) -> AsyncIterator[PoolRuntime]:
    """Over the process runtime, with one instance ready that does what `talk` does, and none after it."""
    runtime = PoolRuntime(process_runtime, PoolSettings(size=1, refill_delay=3600))
    runtime.offer([spec()])
    await until(lambda: runtime.pool_statistics().ready)
    yield runtime
    await runtime.drain()


@pytest.fixture
async def kubernetes_runtime(engine: docker.APIClient, probe_images: str) -> AsyncIterator[KubernetesRuntime]:
    """Over the suite's API server, and a node that runs Pods on the engine."""
    async with AsyncExitStack() as held:
        api = KubeApi()
        held.push_async_callback(api.aclose)
        await api.start()
        node = await held.enter_async_context(Node(api.store, engine))
        node.grace = 0.1
        settings = KubernetesSettings(f"test-{secrets.token_hex(4)}", connector_image="genvm-base:latest")
        runtime = KubernetesRuntime(settings, Cluster(api.url, "gv"))
        held.push_async_callback(runtime.aclose)
        yield runtime


@pytest.fixture(params=["docker", "process", "pool", "kubernetes"])
def runtime(request: pytest.FixtureRequest) -> AnyRuntime:
    made: AnyRuntime = request.getfixturevalue(f"{request.param}_runtime")
    return made


@pytest.fixture
def spec() -> MakeSpec:
    """Specs with names of their own."""

    def make(mode: str = "talk", **changes: object) -> InstanceSpec:
        values: dict[str, object] = {
            "name": f"one-{secrets.token_hex(4)}",
            "role": Role.EXECUTOR,
            "image": f"{IMAGE}:{mode}",
            "version": "v0.2.12",
            "execution_id": 7,
            "deadline": None,
            "memory_bytes": 64 * MIB,
            "cpus": 1.0,
            "pids": 16,
        }
        return InstanceSpec(**{**values, **changes})  # type: ignore[arg-type]

    return make

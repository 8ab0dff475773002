"""Another container runtime than the engine's own, by the name that the engine knows it by."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import docker
import pytest

from orchestrator.runtime.docker import DockerRuntime, DockerSettings
from orchestrator.runtime.port import EngineRefused, Role
from tests.chaos.private_engine import PrivateEngine, private_engine
from tests.integration.runtime.runtime_kit import IMAGE, MakeSpec

OTHER = "another-one"
"""The engine's own program under a name of its own: that the name is passed on is all there is to see."""


@pytest.fixture(scope="module")
def knowing(engine: docker.APIClient, probe_images: str) -> Iterator[PrivateEngine]:
    flags = (f"--add-runtime={OTHER}={shutil.which('runc')}",)
    with private_engine(engine, live_restore=False, images=(f"{IMAGE}:talk",), flags=flags) as made:
        yield made


@pytest.fixture
async def runtime(knowing: PrivateEngine, docker_settings: DockerSettings) -> AsyncIterator[DockerRuntime]:
    settings = replace(
        docker_settings,
        base_url=knowing.url,
        module_network="none",
        oci_runtime=OTHER,
        module_oci_runtime="runc",
    )
    async with DockerRuntime(settings) as made:
        yield made


def host_config(knowing: PrivateEngine, container: str) -> dict[str, Any]:
    asking = docker.APIClient(base_url=knowing.url, version="auto")
    try:
        found: dict[str, Any] = asking.inspect_container(container)["HostConfig"]
    finally:
        asking.close()
    return found


@pytest.mark.parametrize(("role", "name"), [(Role.EXECUTOR, OTHER), (Role.LLM, "runc")])
async def test_each_role_runs_under_the_runtime_that_is_named_for_it(
    runtime: DockerRuntime, knowing: PrivateEngine, spec: MakeSpec, role: Role, name: str
) -> None:
    instance = await runtime.start(spec(role=role))
    assert instance.greeting.kind == "ready"
    assert host_config(knowing, instance.engine_id)["Runtime"] == name
    await instance.destroy()


async def test_a_runtime_that_the_engine_does_not_know_is_refused_by_name(
    docker_settings: DockerSettings, spec: MakeSpec
) -> None:
    async with DockerRuntime(replace(docker_settings, oci_runtime="nobody-s")) as runtime:
        with pytest.raises(EngineRefused, match="nobody-s"):
            await runtime.start(spec())

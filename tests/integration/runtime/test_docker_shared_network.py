"""Instances that share one empty network, which costs half of a start."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import docker
import pytest

from orchestrator.runtime.docker import DockerRuntime, DockerSettings
from orchestrator.runtime.port import EngineRefused
from tests.integration.runtime.runtime_kit import IMAGE, MakeSpec


@pytest.fixture
def void(engine: docker.APIClient, probe_images: str) -> Iterator[str]:
    made = engine.create_container(
        f"{IMAGE}:talk", ["sleep", "600"], host_config=engine.create_host_config(network_mode="none")
    )
    engine.start(made["Id"])
    yield made["Id"]
    engine.remove_container(made["Id"], force=True)


async def test_an_instance_runs_in_the_network_of_another_container(
    docker_settings: DockerSettings, spec: MakeSpec, void: str
) -> None:
    settings = dataclasses.replace(docker_settings, network=f"container:{void}")
    async with DockerRuntime(settings) as runtime:
        instance = await runtime.start(spec())
        assert instance.greeting.kind == "ready"
        await instance.destroy()


async def test_without_that_container_a_start_is_refused_and_leaves_nothing(
    docker_settings: DockerSettings, spec: MakeSpec
) -> None:
    settings = dataclasses.replace(docker_settings, network="container:absent")
    async with DockerRuntime(settings) as runtime:
        with pytest.raises(EngineRefused):
            await runtime.start(spec())
        assert await runtime.sweep(frozenset()) == []
    assert list((settings.state_dir / "instances").iterdir()) == []

"""What the runtime tests share: the test instance's images, and a look at what was left behind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import docker

from orchestrator.runtime.docker import DockerRuntime, DockerSettings
from orchestrator.runtime.pool import PoolRuntime
from orchestrator.runtime.port import InstanceSpec
from orchestrator.runtime.process import ProcessRuntime

PROBE = Path(__file__).with_name("probe.py")
IMAGE = "genvm-test-probe"
MODES = ("talk", "silent", "dies")
MIB = 1024 * 1024

AnyRuntime = DockerRuntime | ProcessRuntime | PoolRuntime
MakeSpec = Callable[..., InstanceSpec]


def leftovers(engine: docker.APIClient, settings: DockerSettings) -> list[str]:
    """Names of this manager's containers, whatever their state."""
    label = f"{settings.label_prefix}managed-by={settings.manager_id}"
    return [one["Names"][0] for one in engine.containers(all=True, filters={"label": label})]


async def nothing_is_left(runtime: AnyRuntime, state_dir: Path) -> bool:
    """No instance and no directory, once a pool has let go of what it keeps ready."""
    if isinstance(runtime, PoolRuntime):
        await runtime.drain()
    directories = state_dir / "instances"
    listed = await asyncio.to_thread(lambda: list(directories.iterdir()) if directories.exists() else [])
    return runtime.statistics().instances == 0 and listed == []

"""What the runtime tests share: the test instance's images, and a look at what was left behind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import docker

from genvm_wire.instance_messages import JobMessage
from orchestrator.runtime.docker import DockerRuntime, DockerSettings
from orchestrator.runtime.kubernetes.runtime import KubernetesRuntime
from orchestrator.runtime.pool import PoolRuntime
from orchestrator.runtime.port import InstanceSpec
from orchestrator.runtime.process import ProcessRuntime

PROBE = Path(__file__).with_name("probe.py")
IMAGE = "genvm-test-probe"
MODES = ("talk", "silent", "dies")
MIB = 1024 * 1024

AnyRuntime = DockerRuntime | KubernetesRuntime | ProcessRuntime | PoolRuntime
MakeSpec = Callable[..., InstanceSpec]


def job_to(do: str) -> JobMessage:
    """What the probe is to do is what another program takes for its node's data."""
    return JobMessage(
        run=1,
        sockets=(),
        deadline_ms=60_000,
        grace_ms=1000,
        host_table="T15a",
        fuel_width=8,
        contract_line="v0.2",
        executor_version="v0.2.1",
        message={},
        calldata=None,
        code=None,
        host_data=do,
        permissions="",
        is_sync=False,
        debug=False,
        storage_pages=None,
        leader_nondet_results=None,
        output_limit=0,
        log_limit=0,
        extra={},
    )


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

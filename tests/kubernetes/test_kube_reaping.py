"""What an uninstallation ends in the namespace of the instances, against the suite's own API server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from orchestrator.__main__ import main
from orchestrator.operations import reaping
from orchestrator.operations.reaping import reap
from orchestrator.runtime.kubernetes.cluster import Cluster
from orchestrator.runtime.kubernetes.http import ApiServer
from orchestrator.runtime.kubernetes.pod_calls import PodCalls
from orchestrator.runtime.kubernetes.settings import KubernetesSettings
from orchestrator.runtime.kubernetes.shape import manifest
from orchestrator.runtime.port import InstanceSpec, Role
from tests.kubernetes.kube_api import KubeApi


@pytest.fixture
async def api() -> AsyncIterator[KubeApi]:
    made = KubeApi()
    await made.start()
    yield made
    await made.aclose()


@pytest.fixture
async def calls(api: KubeApi) -> AsyncIterator[PodCalls]:
    server = ApiServer(Cluster(api.url, "gv"))
    yield PodCalls(server)
    await server.aclose()


def pod(manager: str, name: str, role: Role = Role.EXECUTOR) -> dict[str, object]:
    spec = InstanceSpec(
        name=name,
        role=role,
        image="executor@sha256:11",
        version="v0.2.12",
        execution_id=None,
        deadline=None,
        memory_bytes=512 * 1024 * 1024,
        cpus=0.5,
        pids=64,
    )
    settings = KubernetesSettings(manager_id=manager, connector_image="base@sha256:00")
    return manifest(settings, spec, attempt="a1", token="5e" * 32, deadline_in=None)


async def no_pause() -> None:
    """Look again at once."""


async def left(calls: PodCalls) -> set[str]:
    return {one.name for one in (await calls.list_pods("")).pods if not one.deleting}


async def test_the_pods_of_the_releases_managers_go_and_no_others(calls: PodCalls) -> None:
    for made in (pod("aa-gv-0", "run-1"), pod("aa-gv-1", "llm-1", Role.LLM), pod("bb-gv-0", "run-1")):
        await calls.create_pod(made)
    stranger = pod("aa-gv-0", "run-2") | {}
    metadata = {"name": "stranger", "labels": {"io.genvm.orchestrator.managed-by": "aa-gv-0"}}
    await calls.create_pod(stranger | {"metadata": metadata})
    assert await reap(calls, "aa-", no_pause) == {"genvm-aa-gv-0-run-1", "genvm-aa-gv-1-llm-1"}
    assert await left(calls) == {"genvm-bb-gv-0-run-1", "stranger"}


async def test_what_a_manager_starts_at_its_end_goes_as_well(calls: PodCalls) -> None:
    late = [pod("aa-gv-0", "run-9")]

    async def pause() -> None:
        if late:
            await calls.create_pod(late.pop())

    assert await reap(calls, "aa-", pause) == {"genvm-aa-gv-0-run-9"}
    assert await left(calls) == set()


async def test_a_program_reads_what_was_removed_and_from_where(
    api: KubeApi, calls: PodCalls, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command itself, as the chart's hook runs it: in a Pod of another namespace than the instances."""
    monkeypatch.setattr(reaping, "in_cluster", lambda _: Cluster(api.url, "manager"))
    monkeypatch.setattr(reaping, "PAUSE_S", 0)
    for name in ("run-2", "run-1"):
        await calls.create_pod(pod("aa-gv-0", name))
    words = ["reap", "--managers", "aa-", "--namespace", "gv"]
    capsys.readouterr()
    assert await asyncio.to_thread(main, [*words, "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out) == {"removed": ["genvm-aa-gv-0-run-1", "genvm-aa-gv-0-run-2"]}
    assert said.err == ""
    assert await asyncio.to_thread(main, words) == 0
    assert capsys.readouterr() == ("", "removed 0: nothing was left\n")

"""The chart's hooks, done: their own commands, with what the chart gives them, as a cluster would do it."""

from __future__ import annotations

import argparse
import asyncio
import re
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.__main__ import make_parser
from orchestrator.operations.reaping import reap
from orchestrator.runtime.kubernetes.cluster import Cluster
from orchestrator.runtime.kubernetes.http import ApiServer
from orchestrator.runtime.kubernetes.pod_calls import PodCalls
from orchestrator.runtime.kubernetes.settings import KubernetesSettings
from orchestrator.runtime.kubernetes.shape import manifest
from orchestrator.runtime.port import InstanceSpec, Role
from tests.e2e.manager_process import ManagerProcess
from tests.helm.chart import HelmEngine, Object, Rendered
from tests.helm.conftest import helm
from tests.kubernetes.kube_api import KubeApi

__all__ = ["helm"]

SPEC = InstanceSpec(
    name="run-1",
    role=Role.EXECUTOR,
    image="executor@sha256:11",
    version="v0.2.12",
    execution_id=None,
    deadline=None,
    memory_bytes=512 * 1024 * 1024,
    cpus=0.5,
    pids=64,
)


@pytest.fixture(scope="module")
def chart(helm: HelmEngine) -> Rendered:
    return helm.render({})


def carried_out(command: list[str], manager: ManagerProcess, folder: Path) -> str:
    """What a container of the hook says, beside that manager; it has to end well."""
    program = {"genvm-orchestrator": [sys.executable, "-m", "orchestrator"], "python3": [sys.executable]}
    url = next(word.removeprefix("--manager=") for word in command if "http://" in word)
    changed = {url: manager.address, "$(POD_IP)": "127.0.0.1", "/test/": f"{folder}/", "/tmp/": f"{folder}/"}
    # All in one go: the folder's own name may have /tmp/ in it, as the interpreter's may.
    names = re.compile("|".join(map(re.escape, changed)))
    told = [names.sub(lambda found: changed[found[0]], word) for word in command[1:]]
    words = [*program[command[0]], *told]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, f"{words}: {ended.stdout}{ended.stderr}"
    return ended.stdout


def test_the_test_of_an_installation_runs_a_contract(
    chart: Rendered, manager: ManagerProcess, tmp_path: Path
) -> None:
    for name, text in chart.named("ConfigMap", "-test-files")["data"].items():
        (tmp_path / name).write_text(text)
    spec = chart.named("Pod", "-test-contract")["spec"]
    (ready,) = spec["initContainers"]
    assert carried_out(ready["command"], manager, tmp_path) == "ready\n"
    (contract,) = spec["containers"]
    assert "deployed" in carried_out(contract["command"], manager, tmp_path)


def granted(role: Object) -> set[tuple[str, str]]:
    return {
        (verb, resource) for rule in role["rules"] for verb in rule["verbs"] for resource in rule["resources"]
    }


async def no_pause() -> None:
    """Look again at once."""


@pytest.fixture(scope="module")
def order(chart: Rendered) -> argparse.Namespace:
    """Of the hook of an uninstallation."""
    (container,) = chart.named("Job", "-reap")["spec"]["template"]["spec"]["containers"]
    return make_parser().parse_args(container["command"][1:])


async def test_the_hook_of_an_uninstallation_can_do_what_it_is_for(
    chart: Rendered, order: argparse.Namespace, tmp_path: Path
) -> None:
    """With its own rights and no others, in the namespace and for the managers that its command names."""
    role = chart.named("Role", "-reap")
    api = KubeApi(order.namespace)
    api.grants = {
        "the hook's": ("system:serviceaccount:genvm:reap", granted(role)),
        "a manager's": ("system:serviceaccount:genvm:manager", {("create", "pods"), ("list", "pods")}),
    }
    await api.start()
    servers = {}
    for name in api.grants:
        token = tmp_path / name
        await asyncio.to_thread(token.write_text, name)
        servers[name] = ApiServer(Cluster(api.url, order.namespace, token_file=token))
    managers = PodCalls(servers["a manager's"])
    for manager_id in (f"{order.managers}0", "another-0"):
        settings = KubernetesSettings(manager_id=manager_id, connector_image="base@sha256:00")
        await managers.create_pod(manifest(settings, SPEC, attempt="a1", token="5e" * 32, deadline_in=None))
    assert role["metadata"]["namespace"] == order.namespace
    assert await reap(PodCalls(servers["the hook's"]), order.managers, no_pause) == {
        f"genvm-{order.managers}0-run-1"
    }
    left = {pod.name for pod in (await managers.list_pods("")).pods if not pod.deleting}
    assert left == {"genvm-another-0-run-1"}
    for server in servers.values():
        await server.aclose()
    await api.aclose()

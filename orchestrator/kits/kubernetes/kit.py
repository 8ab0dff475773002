"""The kit of the Kubernetes runtime."""

from __future__ import annotations

import asyncio

from orchestrator.kits.finding import Finding, fail
from orchestrator.kits.kit import Found
from orchestrator.kits.kubernetes.checks import check_cluster
from orchestrator.kits.kubernetes.place import cluster_of, pods_of
from orchestrator.runtime.kubernetes import naming
from orchestrator.runtime.kubernetes.http import ApiServer
from orchestrator.runtime.kubernetes.pod_calls import PodCalls
from orchestrator.runtime.kubernetes.pods import Pod
from orchestrator.runtime.kubernetes.runtime import KubernetesRuntime
from orchestrator.runtime.port import EngineRefused, Runtime
from orchestrator.settings import Settings


class KubernetesKit:
    """Implements `Kit`."""

    whole_socket_paths = False
    meets_in_state_dir = False

    async def engine_of(self, settings: Settings) -> str:
        """The cluster's namespace, as all its Pods see it."""
        cluster = await asyncio.to_thread(cluster_of, settings)
        return f"kubernetes:{cluster.server}/{cluster.namespace}"

    async def open(self, settings: Settings, manager_id: str) -> KubernetesRuntime:
        """See `Kit.open`."""
        cluster = await asyncio.to_thread(cluster_of, settings)
        return KubernetesRuntime(pods_of(settings, manager_id), cluster)

    def open_to_sweep(self, settings: Settings, manager_id: str) -> KubernetesRuntime:
        """See `Kit.open_to_sweep`."""
        return KubernetesRuntime(pods_of(settings, manager_id), cluster_of(settings))

    def packet_filters(self, runtime: Runtime) -> None:
        """None: what a Pod reaches is for the cluster's policies to say."""
        del runtime

    def survey(self, settings: Settings, manager_id: str) -> list[Found]:
        """See `Kit.survey`."""
        return asyncio.run(_survey(settings, manager_id))

    def check(self, settings: Settings) -> list[Finding]:
        """The cluster's checks; the first alone when it cannot be asked."""
        try:
            cluster = cluster_of(settings)
        except EngineRefused as refused:
            advice = "run it as a Pod with its service account, or set GENVM_KUBERNETES_SERVER and its like"
            return [fail("cluster", str(refused), advice)]
        return asyncio.run(check_cluster(settings, cluster))


async def _survey(settings: Settings, manager_id: str) -> list[Found]:
    pods = pods_of(settings, manager_id)
    server = ApiServer(await asyncio.to_thread(cluster_of, settings))
    try:
        listed = await PodCalls(server).list_pods(naming.managed_selector(pods))
    finally:
        await server.aclose()
    return sorted((_found(pods.label_prefix, pod) for pod in listed.pods), key=lambda one: one.name)


def _found(prefix: str, pod: Pod) -> Found:
    execution = pod.labels.get(prefix + "execution", "")
    return Found(
        pod.annotations.get(prefix + "name", pod.name),
        pod.uid,
        int(execution) if execution.isdecimal() else None,
        False,
    )

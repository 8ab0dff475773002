"""From the manager's settings to the cluster and to what its Pods are made with."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace

from orchestrator.runtime.kubernetes.cluster import Cluster, in_cluster
from orchestrator.runtime.kubernetes.settings import KubernetesSettings
from orchestrator.runtime.port import EngineRefused, InstanceSpec, Role
from orchestrator.settings import Settings


def cluster_of(settings: Settings, environment: Mapping[str, str] = os.environ) -> Cluster:
    """The cluster that the settings name, else the one that this process is a Pod of. Blocking.

    Raises EngineRefused.
    """
    if settings.kubernetes_server is None:
        found = in_cluster(environment)
        return replace(found, namespace=settings.kubernetes_namespace or found.namespace)
    if settings.kubernetes_namespace is None:
        raise EngineRefused("GENVM_KUBERNETES_SERVER needs GENVM_KUBERNETES_NAMESPACE beside it")
    return Cluster(
        server=settings.kubernetes_server.rstrip("/"),
        namespace=settings.kubernetes_namespace,
        ca_file=settings.kubernetes_ca_file,
        token_file=settings.kubernetes_token_file,
        certificate_file=settings.kubernetes_certificate_file,
    )


def pods_of(settings: Settings, manager_id: str) -> KubernetesSettings:
    return KubernetesSettings(
        manager_id=manager_id,
        connector_image=settings.kubernetes_connector_image,
        connector_port=settings.kubernetes_connector_port,
        host_networks=settings.kubernetes_host_networks,
        start_timeout=settings.kubernetes_start_timeout,
        pull_policy=settings.kubernetes_pull_policy.value,
        pull_secrets=tuple(settings.kubernetes_pull_secrets),
        unreachable_seconds=settings.kubernetes_unreachable_seconds,
    )


def probe_spec(settings: Settings) -> InstanceSpec:
    """An executor's, as runs get it."""
    return InstanceSpec(
        name="doctor",
        role=Role.EXECUTOR,
        image=settings.image_pattern.replace("{version}", "latest"),
        version="any",
        execution_id=None,
        deadline=None,
        memory_bytes=settings.instance_memory_bytes,
        cpus=settings.instance_cpus,
        pids=settings.instance_pids,
    )

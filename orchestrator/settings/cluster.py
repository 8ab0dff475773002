"""Where the runtime is kubernetes."""

from __future__ import annotations

from ipaddress import ip_network

from orchestrator.settings.about import Group, Unit, setting
from orchestrator.settings.values import (
    POD_NETWORKS,
    NamedPath,
    Networks,
    ObjectName,
    ObjectNames,
    PullPolicy,
    ServerUrl,
)


class Cluster(Group):
    """In a cluster (kubernetes.md)"""

    kubernetes_server: ServerUrl | None = setting(
        None,
        "the API server, https://host:port. Unset: that of the cluster in which the manager is a Pod",
        why="a manager in a Pod is told all that it needs",
        unit=Unit.URL,
    )
    kubernetes_namespace: ObjectName | None = setting(
        None,
        "namespace of the instances' Pods. Unset: the manager's own",
        why="one that is sure to exist",
        unit=Unit.NAME,
    )
    kubernetes_ca_file: NamedPath | None = setting(
        None,
        "with a server: who vouches for it, in PEM. Unset: the system's authorities",
        why="a manager in a Pod has the cluster's",
        unit=Unit.PATH,
    )
    kubernetes_token_file: NamedPath | None = setting(
        None,
        "with a server: the manager's token there; read again as it changes",
        why="a manager in a Pod has its service account's",
        unit=Unit.PATH,
    )
    kubernetes_certificate_file: NamedPath | None = setting(
        None,
        "with a server: a client's certificate and key, in one file",
        why="most servers take a token",
        unit=Unit.PATH,
    )
    kubernetes_connector_image: str = setting(
        "genvm-base:latest",
        "image of the connector beside each instance, best named by its digest",
        why="what `images build` makes: Python and the wire package are all that it needs",
        unit=Unit.IMAGE,
    )
    kubernetes_connector_port: int = setting(
        8443,
        "at which a Pod's connector listens",
        why="above 1024, which needs no privilege; used for TLS by custom",
        unit=Unit.PORT,
        ge=1,
        le=65535,
    )
    kubernetes_host_networks: Networks = setting(
        tuple(map(ip_network, POD_NETWORKS)),
        "networks of nodes that Pods dial themselves, with commas; all others are relayed by the manager",
        why="private ones; a run whose node its own Pod dials outlives the manager, a relayed one does not",
        unit=Unit.NETWORKS,
    )
    kubernetes_pull_policy: PullPolicy = setting(
        PullPolicy.IF_NOT_PRESENT,
        "when images are pulled: Always, IfNotPresent or Never",
        why="a pull at each start would cost seconds",
        unit=Unit.CHOICE,
    )
    kubernetes_pull_secrets: ObjectNames = setting(
        [],
        "names of the registries' secrets, with commas",
        why="public registries need none",
        unit=Unit.NAMES,
    )
    kubernetes_start_timeout: float = setting(
        120.0,
        "how long a Pod may take to a running connector, image pulls included, waiting for room not",
        why="the largest image over a slow line",
        unit=Unit.SECONDS,
        gt=0,
    )
    kubernetes_unreachable_seconds: int = setting(
        30,
        "how long a Pod stays bound to a machine that does not answer",
        why="the cluster's default of five minutes is longer than most runs may take",
        unit=Unit.SECONDS,
        ge=0,
    )

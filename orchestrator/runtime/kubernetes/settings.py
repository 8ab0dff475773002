"""Settings of the Kubernetes parts; the composition root fills them from the manager's settings."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class KubernetesSettings:
    """Times in seconds, sizes in bytes."""

    manager_id: str
    """Every Pod carries it; sweeps touch no Pod with another one."""
    connector_image: str
    """Of the container that listens on the control socket: the base image, by digest where it can be."""
    label_prefix: str = "io.genvm.orchestrator."
    uid: int = 64321
    """User and group of executors and modules: the one the images know."""
    connector_uid: int = 64322
    """A user of its own, in the same group: the executor may connect to the socket and nothing else."""
    connector_port: int = 8443
    connector_memory_bytes: int = 48 * MIB
    """It holds 17 MiB."""
    connector_cpus: float = 0.05
    """Asked for, not a limit: with a small one its first answer takes twice as long."""
    tmp_bytes: int = 16 * MIB
    shm_bytes: int = 16 * MIB
    """Memory of the container too. An engine's own /dev/shm would have 64 MiB."""
    run_bytes: int = 1 * MIB
    host_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    """Where a run's own Pod dials its node; everywhere else this manager does, for as long as it lives."""
    start_timeout: float = 120.0
    """From a Pod's creation until its connector runs; what it waits for room does not count."""
    pull_policy: str = "IfNotPresent"
    pull_secrets: tuple[str, ...] = ()
    unreachable_seconds: int = 30
    """How long a Pod stays bound to a node that does not answer; a cluster's own figure is 300."""
    removal_wait: float = 10.0
    """For the end of a Pod whose deletion was ordered: 4 s at worst, unless its node is silent."""
    removal_retry: float = 2.0
    """Between two tries to delete what could not be deleted."""
    deadline_grace: float = 15.0
    """Between a run's own deadline and the kubelet's, which is the last line."""


@dataclass(frozen=True, slots=True)
class WatchSettings:
    """Of the reflector, in seconds."""

    watch_seconds: int = 240
    """Asked for; the server ends a watch then, cleanly. Up to a quarter more, so that not all end at once."""
    silence: float = 180.0
    """Without an event or a bookmark (about one a minute) for so long, a watch is not believed."""
    first_pause: float = 0.2
    longest_pause: float = 15.0
    """Between two tries that failed, doubled each time."""

"""An instance's Pod for a moment: whether it gets ready, and whether it reaches what it should not."""

from __future__ import annotations

import asyncio
import secrets
import socket
from dataclasses import replace
from urllib.parse import urlsplit

from orchestrator.kits.finding import Finding, fail, ok, warn
from orchestrator.kits.kubernetes.place import pods_of, probe_spec
from orchestrator.runtime.kubernetes.cluster import Cluster
from orchestrator.runtime.kubernetes.instance import PodInstance
from orchestrator.runtime.kubernetes.runtime import KubernetesRuntime
from orchestrator.runtime.port import ChannelClosed, RuntimeFailure
from orchestrator.settings import Settings

ROOM_S = 30.0
"""Beyond the time that a start has: for a namespace that is full."""
REACH_MS = 2000
POLICY_ADVICE = (
    "the network plug-in ignores policies, or there is none for Pods with the label "
    "io.genvm.orchestrator.role=executor (docs/kubernetes.md, Namespace)"
)


async def check_instance(settings: Settings, cluster: Cluster) -> list[Finding]:
    """Start one, ask it, delete it."""
    pods = replace(pods_of(settings, f"doctor-{secrets.token_hex(4)}"))
    runtime = KubernetesRuntime(pods, cluster)
    spec = replace(probe_spec(settings), name="probe")
    loop = asyncio.get_running_loop()
    begun = loop.time()
    try:
        async with asyncio.timeout(settings.kubernetes_start_timeout + settings.ready_timeout + ROOM_S):
            instance = await runtime.start(spec)
        took = loop.time() - begun
        try:
            policy = await _check_policy(instance, cluster)
        finally:
            await instance.destroy()
        return [ok("instance", f"{spec.image} is ready {took:.1f} s after its Pod was asked for"), policy]
    except TimeoutError:
        why = runtime.statistics().no_room or "the cluster does not say why"
        return [fail("instance", f"no room for a Pod: {why}", "see the namespace's quota and the nodes")]
    except RuntimeFailure as failure:
        return [fail("instance", str(failure), "see docs/runbook.md, and the Pod's events")]
    finally:
        await runtime.aclose()


async def _check_policy(instance: PodInstance, cluster: Cluster) -> Finding:
    """The API accepts a policy whatever becomes of it: only trying tells."""
    parts = urlsplit(cluster.server)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        address = await _address(parts.hostname or "", port)
        reached = await instance.reaches((address, port), REACH_MS)
    except (OSError, ChannelClosed) as error:
        return warn("network policy", f"could not be tried: {error}", "try again")
    if reached:
        return warn("network policy", f"a Pod reaches the API server at {address}:{port}", POLICY_ADVICE)
    return ok("network policy", "a Pod does not reach the API server")


async def _address(name: str, port: int) -> str:
    found = await asyncio.get_running_loop().getaddrinfo(name, port, type=socket.SOCK_STREAM)
    return str(found[0][4][0])

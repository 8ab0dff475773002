"""`genvm-orchestrator reap`: in a cluster, the Pods that the managers of an installation have left behind.

Instances belong to no object that an uninstallation removes, so that no upgrade takes a run along. When the
last manager is gone for good, its instances are nobody's: they would hold what they have until their
deadlines.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final, Protocol

from orchestrator.operations.presentation import as_json
from orchestrator.runtime.kubernetes import naming
from orchestrator.runtime.kubernetes.calls import PodList
from orchestrator.runtime.kubernetes.cluster import in_cluster
from orchestrator.runtime.kubernetes.failures import Conflict, NotFound
from orchestrator.runtime.kubernetes.http import ApiServer
from orchestrator.runtime.kubernetes.pod_calls import PodCalls
from orchestrator.runtime.kubernetes.settings import KubernetesSettings

PAUSE_S: Final = 2.0
EMPTY_LOOKS: Final = 4
"""In a row, before it is believed: a manager that is being ended may have a start under way."""
GRACE_S: Final = 1
MANAGED_BY: Final = KubernetesSettings("", "").label_prefix + "managed-by"


class Pods(Protocol):
    """Of a runtime's calls the two that are needed."""

    async def list_pods(self, selector: str) -> PodList: ...

    async def delete_pod(self, name: str, uid: str, grace: int) -> None: ...


async def run(args: argparse.Namespace) -> int:
    """Remove them until none is left. Raises EngineUnreachable, EngineRefused."""
    cluster = await asyncio.to_thread(in_cluster, os.environ)
    server = ApiServer(replace(cluster, namespace=args.namespace or cluster.namespace))
    try:
        removed = await reap(PodCalls(server), args.managers)
    finally:
        await server.aclose()
    names = sorted(removed)
    if args.json:
        print(as_json({"removed": names}))
    else:
        print(f"removed {len(names)}: {', '.join(names) or 'nothing was left'}", file=sys.stderr)
    return 0


async def reap(
    pods: Pods, prefix: str, pause: Callable[[], Awaitable[None]] = lambda: asyncio.sleep(PAUSE_S)
) -> set[str]:
    """Delete the Pods of managers whose ids begin with `prefix` until none is found any more; their names.

    `pause` comes between two looks. Raises EngineUnreachable, EngineRefused.
    """
    removed: set[str] = set()
    empty = 0
    while empty < EMPTY_LOOKS:
        found = await pods.list_pods(f"{naming.MANAGED_BY}={naming.PRODUCT}")
        left = [pod for pod in found.pods if pod.labels.get(MANAGED_BY, "").startswith(prefix)]
        for pod in left:
            if pod.deleting:
                continue
            try:
                await pods.delete_pod(pod.name, pod.uid, GRACE_S)
            except (NotFound, Conflict):
                continue  # it went by itself, or another has its name by now
            removed.add(pod.name)
        empty = 0 if left else empty + 1
        if empty < EMPTY_LOOKS:
            await pause()
    return removed

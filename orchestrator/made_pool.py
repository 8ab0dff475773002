"""The pool that the settings ask for, and what it keeps ready: the manifest's, now and after each reload."""

from __future__ import annotations

from datetime import UTC, datetime

from orchestrator.contracts.catalogue import Catalogue
from orchestrator.contracts.versions import ExecutorVersion, Manifest
from orchestrator.executions.permits import PermitPool
from orchestrator.runtime.pool import PoolRuntime, PoolSettings
from orchestrator.runtime.port import InstanceSpec, Role, Runtime
from orchestrator.settings import Settings


def made_pool(
    settings: Settings, inner: Runtime, permits: PermitPool, memory_room: int
) -> PoolRuntime | None:
    """None where the settings ask for none."""
    if not settings.pool_size:
        return None
    sizes = PoolSettings(
        size=settings.pool_size,
        largest=settings.pool_max_size,
        concurrency=settings.pool_refill_concurrency,
        max_age=settings.pool_max_age,
        ready_timeout=settings.ready_timeout,
    )
    # More ready instances than runs may hold permits for would never be used at once.
    return PoolRuntime(inner, sizes, room=lambda: min(memory_room, permits.statistics().maximum))


def offer_always(pool: PoolRuntime, catalogue: Catalogue, settings: Settings) -> None:
    """Keep warm what the manifest has, now and after each reload."""
    catalogue.changed = lambda manifest: _offer(pool, manifest, settings)
    _offer(pool, catalogue.manifest, settings)


def _offer(pool: PoolRuntime, versions: Manifest, settings: Settings) -> None:
    """Warm what runs without a selector get now; the manifest's other images once they are asked for."""
    now = datetime.now(UTC)
    available = {version.number.major for version in versions.versions if version.available_after <= now}
    default = [versions.by_major(major, now) for major in sorted(available)]
    pool.offer(
        [pooled(settings, version) for version in default],
        [pooled(settings, version) for version in versions.versions],
    )


def pooled(settings: Settings, version: ExecutorVersion) -> InstanceSpec:
    return InstanceSpec(
        name="pool",
        role=Role.EXECUTOR,
        image=version.image,
        version=version.name,
        execution_id=None,
        deadline=None,
        memory_bytes=settings.instance_memory_bytes,
        cpus=settings.instance_cpus,
        pids=settings.instance_pids,
        reuse=version.reuse or settings.instance_reuse,
    )

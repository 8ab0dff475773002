"""Warm instances over any runtime (docs/pool.md)."""

from orchestrator.runtime.pool.runtime import PoolRuntime
from orchestrator.runtime.pool.settings import PoolSettings
from orchestrator.runtime.pool.statistics import PoolStatistics, ShelfStatistics

__all__ = ["PoolRuntime", "PoolSettings", "PoolStatistics", "ShelfStatistics"]

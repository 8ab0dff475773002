"""Bounds of one run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RunLimits:
    """Times in seconds, sizes in bytes."""

    longest_run: float
    memory_bytes: int
    cpus: float
    pids: int
    ready_timeout: float
    host_connect_timeout: float
    end_grace: float
    output_tail_bytes: int
    log_records: int
    reuse: int = 1
    """Runs that one instance serves, one after another, where the version does not say otherwise."""

"""How long each step of a run takes whoever serves it, in seconds, from the figures of `make bench`."""

from __future__ import annotations

from dataclasses import dataclass

from bench.figures import Results

MS = 1e-3
ACCEPTING, HANDING_OVER, ENDING = 0.4, 0.3, 0.3
"""How the manager's processor time of a run is spread over its life (docs/performance.md)."""
REMOVING = 0.35
"""The part of an instance's cost that its end takes: the engine's teardown (docs/performance.md)."""


@dataclass(frozen=True, slots=True)
class ServiceTimes:
    """Of one run in an instance of its own.

    Processor time of a manager's loop: `accepting`, `handing_over`, `ending`. Processor time of the machine
    that has the instance: `starting`, `contract`, `removing`. `commit`: one commit of the journal, however
    many rows it has. `scheduling`: until a start may begin, without processor time (a cluster's scheduler,
    kubelet). `away`: what the contract waits for others (models, pages, its node).
    """

    accepting: float
    handing_over: float
    ending: float
    starting: float
    contract: float
    removing: float
    commit: float
    scheduling: float = 0.0
    away: float = 0.0

    @property
    def machine(self) -> float:
        """Processor seconds of a run on the machine of its instance."""
        return self.starting + self.contract + self.removing

    @property
    def manager(self) -> float:
        """Processor seconds of a run in its manager."""
        return self.accepting + self.handing_over + self.ending


def measured(results: Results, commit: float) -> ServiceTimes:
    """From `bench/out/latest.json`'s figures; what a contract takes is what it takes in a fork (`reuse`).

    Raises KeyError when a part was not measured.
    """
    manager = results["pool_manager_cpu_ms_per_run"] * MS
    contract = (results["reuse_cpu_ms_per_run"] - results["reuse_manager_cpu_ms_per_run"]) * MS
    instance = max(0.0, results["pool_cpu_ms_per_run"] * MS - manager - contract)
    return ServiceTimes(
        accepting=manager * ACCEPTING,
        handing_over=manager * HANDING_OVER,
        ending=manager * ENDING,
        starting=instance * (1 - REMOVING),
        contract=contract,
        removing=instance * REMOVING,
        commit=commit,
    )

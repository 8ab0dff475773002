"""Runs that end their instances by a crash: a client that tries one again and again is told no. Pure.

Counted is by idempotency key, whatever the host: a node that listens at a new place tries the same
transaction. What is known of a key is known for as long as its ended runs are kept.
"""

from __future__ import annotations

from orchestrator.executions.keys import RunKey
from orchestrator.executions.refusals import Poisoned
from orchestrator.executions.request import RunRequest
from orchestrator.executions.state import Cause

MOST_CRASHES = 2
CRASHES = frozenset({Cause.OOM, Cause.SIGNAL})
"""The instance was ended by the kernel: nobody ordered it, and the engine did not lose it."""


class Poison:
    """The runs of each key that had their jobs and took their instances with them."""

    def __init__(self) -> None:
        self._crashed: dict[tuple[str, str], dict[int, str]] = {}

    def add(self, run_id: int, key: RunKey | None, cause: str, *, started: bool) -> None:
        """How a run ended. Idempotent."""
        if started and cause in CRASHES and key is not None and key.key:
            self._crashed.setdefault((key.namespace, key.key), {})[run_id] = cause

    def forget(self, run_id: int, key: RunKey | None) -> None:
        """The run is kept no longer."""
        if key is None or not key.key:
            return
        runs = self._crashed.get((key.namespace, key.key), {})
        if runs.pop(run_id, None) is not None and not runs:
            del self._crashed[key.namespace, key.key]

    def check(self, request: RunRequest) -> None:
        """Raises Poisoned for what has been tried often enough."""
        runs = self._crashed.get((request.namespace, request.idempotency_key or ""), {})
        if len(runs) >= MOST_CRASHES:
            last, cause = list(runs.items())[-1]
            raise Poisoned(
                f"the run is not tried again: it has ended its instance {len(runs)} times, "
                f"the last time as run {last} with cause {cause}"
            )

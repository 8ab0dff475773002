"""Which run a repeated request means. Pure.

An idempotency key is its namespace's, and its node's socket's: two nodes may well name one transaction alike,
and a node that listens at a new place waits for a run of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.executions.request import RunRequest


@dataclass(frozen=True, slots=True)
class RunKey:
    """`key` null: whatever is asked for that host while nobody has connected to it."""

    namespace: str
    host: str
    key: str | None


def key_of(request: RunRequest) -> RunKey | None:
    """What a request with an idempotency key is known by."""
    if request.idempotency_key is None:
        return None
    return RunKey(request.namespace, request.host, request.idempotency_key)


def host_key_of(request: RunRequest) -> RunKey:
    return RunKey(request.namespace, request.host, None)


class RunKeys:
    """Keys and the ids of their runs."""

    def __init__(self) -> None:
        self._ids: dict[RunKey, int] = {}

    def find(self, key: RunKey | None) -> int | None:
        return None if key is None else self._ids.get(key)

    def remember(self, key: RunKey | None, run_id: int) -> None:
        if key is not None:
            self._ids[key] = run_id

    def forget(self, key: RunKey | None, run_id: int) -> None:
        """Forget a key unless it means another run by now."""
        if key is not None and self._ids.get(key) == run_id:
            del self._ids[key]

"""Runs that end their instances by a crash: a client that tries one again and again is told no. Pure.

Counted is by idempotency key, whatever the host: a node that listens at a new place tries the same
transaction. What is known of a key is known for a while after its last crash, whatever becomes of the runs
themselves: a client that reads how each ended, and by that lets it be forgotten, is the one that tries again.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from orchestrator.executions.keys import RunKey
from orchestrator.executions.refusals import Poisoned
from orchestrator.executions.request import RunRequest

MOST_CRASHES = 2
MOST_KEYS = 10_000
"""Keys that are remembered: those that crashed last."""


@dataclass(slots=True)
class _Crashes:
    """Of one key: each run with its cause, in the order in which they came to be known."""

    last: datetime
    causes: dict[int, str] = field(default_factory=dict)


class Poison:
    """The runs of each key that had their jobs and took their instances with them."""

    def __init__(self, remembered: timedelta) -> None:
        """`remembered`: for so long after the last crash of a key."""
        self._remembered = remembered
        self._crashed: OrderedDict[tuple[str, str], _Crashes] = OrderedDict()

    def __len__(self) -> int:
        return len(self._crashed)

    def add(self, run_id: int, key: RunKey | None, cause: str, at: datetime) -> None:
        """A run that crashed (`state.is_crash`). Idempotent."""
        if key is None or not key.key:
            return
        name = (key.namespace, key.key)
        known = self._known(name, at) or _Crashes(at)
        known.last = max(known.last, at)
        known.causes[run_id] = cause
        self._crashed[name] = known
        self._crashed.move_to_end(name)
        if len(self._crashed) > MOST_KEYS:
            self._crashed.popitem(last=False)

    def check(self, request: RunRequest, now: datetime) -> None:
        """Raises Poisoned for what has been tried often enough."""
        known = self._known((request.namespace, request.idempotency_key or ""), now)
        if known is not None and len(known.causes) >= MOST_CRASHES:
            last, cause = list(known.causes.items())[-1]
            raise Poisoned(
                f"the run is not tried again: it has ended its instance {len(known.causes)} times, "
                f"the last time as run {last} with cause {cause}"
            )

    def _known(self, name: tuple[str, str], now: datetime) -> _Crashes | None:
        """What is remembered still; what is not is let go."""
        known = self._crashed.get(name)
        if known is not None and now - known.last >= self._remembered:
            del self._crashed[name]
            return None
        return known

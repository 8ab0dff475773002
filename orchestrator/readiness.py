"""Whether a manager is ready, and if not, why: each part with its own reason, and none that flickers.

A part that fails counts at once, or after its patience where it mends itself most of the time; it counts as
good again only when it has been good for a while; the first time at once, or each start would take as long.
Pure: the clock is given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from orchestrator.clock import Ticks, sleep

LOOK = 1.0
"""Seconds between two looks that nobody asked for, so that it is known since when something is so."""


@dataclass(frozen=True, slots=True)
class Check:
    """`trouble` says why in few words, because everybody may be told, or null; it asks nobody and waits for
    nothing. `patience`: seconds until it counts; `settle`: seconds that it must have been good, once it was.
    """

    trouble: Callable[[], str | None]
    patience: float = 0.0
    settle: float = 0.0


@dataclass(slots=True)
class _Seen:
    bad_since: float | None = None
    good_since: float | None = None
    was_good: bool = False
    reason: str | None = None
    """What is told."""


@dataclass(slots=True)
class Readiness:
    """`checks` in the order in which their reasons matter."""

    checks: Mapping[str, Check]
    clock: Ticks
    _seen: dict[str, _Seen] = field(default_factory=dict)

    def failing(self) -> dict[str, str]:
        """Why it is not ready, by part; empty: it is."""
        now = self.clock.time()
        found = {name: self._look(check, self._seen.setdefault(name, _Seen()), now)
                 for name, check in self.checks.items()}  # fmt: skip
        return {name: reason for name, reason in found.items() if reason is not None}

    def reason(self) -> str | None:
        """The first of them."""
        return next(iter(self.failing().values()), None)

    async def watch(self) -> None:
        """Look now and then, for ever."""
        while True:
            self.failing()
            await sleep(self.clock, LOOK)

    @staticmethod
    def _look(check: Check, seen: _Seen, now: float) -> str | None:
        reason = check.trouble()
        if reason is not None:
            seen.good_since = None
            if seen.bad_since is None:
                seen.bad_since = now
            if seen.reason is not None or now - seen.bad_since >= check.patience:
                seen.reason = reason
            return seen.reason
        seen.bad_since = None
        if seen.good_since is None:
            seen.good_since = now
        if not seen.was_good or now - seen.good_since >= check.settle:
            seen.was_good = True
            seen.reason = None
        return seen.reason

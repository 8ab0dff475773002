"""The permit pool: who holds how many, who waits, in which order they come in.

No tasks, and nothing waits here; the clock is for telling since when. Admission is first in, first out, with
a bounded bypass (manager-api W8): a cheaper run may pass a waiting one that does not fit, but only
`bypass_limit` times per waiting run, so that nobody starves. Lowering the maximum is instant and takes
nothing from holders; it only admits no one until enough came back. A manager that shares its permits with
others admits within its share of them.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import dataclass
from datetime import datetime

from orchestrator.clock import MACHINE_CLOCK, Clock
from orchestrator.executions.costs import Holder


@dataclass(frozen=True, slots=True)
class PermitStatistics:
    """`available` is what a node sees as `permits.current`; `holders`: who has held longest comes first.

    `in_use_elsewhere`: by runs of other managers with the same permits.
    """

    maximum: int
    in_use: int
    holders: tuple[Holder, ...]
    waiting: int
    in_use_elsewhere: int = 0

    @property
    def available(self) -> int:
        return max(0, self.maximum - self.in_use - self.in_use_elsewhere)


@dataclass(frozen=True, slots=True)
class Need:
    """What a manager goes by, holds, and waits for; `head`: permits of the run that waits first, its id."""

    share: int
    in_use: int
    waiting: int
    head: int
    head_run: int | None


@dataclass(slots=True)
class _Waiting:
    cost: int
    passed: int = 0


class PermitPool:
    """Named holders; every change returns the names that were admitted by it, in order."""

    def __init__(
        self, maximum: int, *, minimum: int = 2, bypass_limit: int = 8, clock: Clock = MACHINE_CLOCK
    ) -> None:
        if maximum < minimum:
            raise ValueError(f"at least {minimum} permits are needed, not {maximum}")
        self._maximum = maximum
        self._minimum = minimum
        self._bypass_limit = bypass_limit
        self._clock = clock
        self._holders: dict[int, Holder] = {}
        self._waiting: OrderedDict[int, _Waiting] = OrderedDict()
        self._costs: Counter[int] = Counter()
        """Of those that wait: how many of each."""
        self._in_use = 0
        self._share: int | None = None
        self._elsewhere = 0

    @property
    def maximum(self) -> int:
        return self._maximum

    def statistics(self) -> PermitStatistics:
        holders = tuple(self._holders.values())
        return PermitStatistics(self._maximum, self._in_use, holders, len(self._waiting), self._elsewhere)

    @property
    def _most(self) -> int:
        return self._maximum if self._share is None else min(self._share, self._maximum)

    @property
    def is_short(self) -> bool:
        """Whether a run waits for permits that others have; never of a manager that has them for itself."""
        if self._share is None or not self._waiting:
            return False
        return self._in_use + next(iter(self._waiting.values())).cost > self._share

    def need(self) -> Need:
        """What there is to say to those with whom the permits are shared."""
        name, first = next(iter(self._waiting.items()), (None, None))
        share = self._maximum if self._share is None else self._share
        waiting = sum(one.cost for one in self._waiting.values())
        return Need(share, self._in_use, waiting, 0 if first is None else first.cost, name)

    def go_by(self, share: int, elsewhere: int = 0) -> list[int]:
        """Admit within `share` of the maximum from now on, and never take from holders.

        `elsewhere`: what others' runs hold of the rest.
        """
        self._share, self._elsewhere = max(share, self._in_use), elsewhere
        return self._admit()

    def would_wait(self, cost: int) -> bool:
        """Whether a run of `cost` permits that asks now is not admitted at once."""
        return self._in_use + cost > self._most or any(
            waiting.passed >= self._bypass_limit for waiting in self._waiting.values()
        )

    def ask(self, name: int, cost: int) -> list[int]:
        """Queue `name` for `cost` permits. Raises ValueError for a known name or an impossible cost."""
        if name in self._holders or name in self._waiting:
            raise ValueError(f"{name} has asked already")
        if not 0 < cost <= self._maximum:
            raise ValueError(f"a run of {cost} permits can never start: the maximum is {self._maximum}")
        self._waiting[name] = _Waiting(cost)
        self._costs[cost] += 1
        return self._admit()

    def restore(self, name: int, cost: int, since: datetime) -> None:
        """Note a holder that an earlier manager admitted; it counts even over the maximum.

        Raises ValueError for a known name or an impossible cost; nothing is changed then.
        """
        if cost <= 0:
            raise ValueError(f"nobody holds {cost} permits")
        if name in self._holders or name in self._waiting:
            raise ValueError(f"{name} is known already")
        self._hold(name, cost, since)

    def give_back(self, name: int) -> list[int]:
        """Return what `name` holds, or its place in the queue; unknown names change nothing."""
        if (holder := self._holders.pop(name, None)) is not None:
            self._in_use -= holder.cost
        if name in self._waiting:
            self._leave_queue(name)
        return self._admit()

    def set_maximum(self, maximum: int) -> list[int]:
        """Change the maximum at once; a value under the minimum or under a waiting run's cost is refused.

        Raises ValueError; nothing is changed then.
        """
        floor = max([self._minimum, *self._costs])
        if maximum < floor:
            raise ValueError(f"the dearest run takes {floor} permits: at least {floor} permits are needed")
        self._maximum = maximum
        return self._admit()

    def _hold(self, name: int, cost: int, since: datetime) -> None:
        self._holders[name] = Holder(name, cost, since)
        self._in_use += cost

    def _leave_queue(self, name: int) -> int:
        """What it would have taken."""
        cost = self._waiting.pop(name).cost
        self._costs[cost] -= 1
        if not self._costs[cost]:
            del self._costs[cost]
        return cost

    def _fits_somebody(self) -> bool:
        return bool(self._costs) and self._in_use + min(self._costs) <= self._most

    def _admit(self) -> list[int]:
        """Looks at nobody where none fits: a thousand may wait, and each that comes or goes asks."""
        admitted: list[int] = []
        passed_over: list[_Waiting] = []
        for name, waiting in list(self._waiting.items()) if self._fits_somebody() else ():
            if self._in_use + waiting.cost <= self._most:
                self._hold(name, self._leave_queue(name), self._clock.now())
                admitted.append(name)
                for skipped in passed_over:
                    skipped.passed += 1
                if any(skipped.passed >= self._bypass_limit for skipped in passed_over):
                    break
            else:
                passed_over.append(waiting)
                if waiting.passed >= self._bypass_limit:
                    break
            if not self._fits_somebody():
                break
        return admitted

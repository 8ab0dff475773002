"""Nodes, managers, a journal, permits, machines: who waits for whom. Simulated time, no real one.

What is modelled: a manager's loop does one thing at a time; the journal writes everything that waits in one
commit; permits are given first in, first out, one total for all managers; cores are shared by turns; a run
takes a ready instance or starts one, and a taken one is made up for; creating one is a call to the cluster's
API server, which takes so many a second; an instance may fail, and its client comes again.

What is not: memory, disks, networks, kernels that get slower with what they hold, clients that give up.
"""

from __future__ import annotations

import random
from collections.abc import Generator, Iterable
from dataclasses import dataclass, field
from typing import Any

import simpy

from bench.scaling.service import ServiceTimes

QUANTUM = 0.02
"""Seconds of a core's turn."""
COMING_AGAIN = 1.0
"""Seconds until a client repeats a run that failed."""

FULL = 0.9
"""A part of the time from which on something is at its end: the rest is the beginning and the end."""
PERMITS = "permits"

Steps = Generator[simpy.Event, Any, None]


@dataclass(frozen=True, slots=True)
class Site:
    """What there is. `pool`: ready instances per manager; `creates_per_second`: of the cluster's API server,
    None where the engine is asked directly; `pulling`: seconds until a machine has the image, once each.
    `together`: the managers run on the machines of the instances.
    """

    managers: int = 1
    machines: int = 1
    cores: int = 2
    permits: int = 16
    pool: int = 4
    creates_per_second: float | None = None
    pulling: float = 0.0
    failing: float = 0.0
    together: bool = True


@dataclass(frozen=True, slots=True)
class Found:
    """What came of it. Waits are from arrival to final status, in seconds; busy parts are between 0 and 1."""

    runs: int
    seconds: float
    waits: list[float]
    warm: int
    attempts: int
    most_permits: int
    commits: int
    busy: dict[str, float]

    @property
    def rate(self) -> float:
        return self.runs / self.seconds

    @property
    def saturated(self) -> str:
        """What had the least time left; permits only where nothing else explains that they were taken."""
        full = {name: part for name, part in self.busy.items() if part >= FULL and name != PERMITS}
        busy = full or self.busy
        return max(busy, key=busy.__getitem__)


@dataclass(slots=True)
class _Journal:
    """Group commit: what waits when one begins is in it."""

    world: simpy.Environment
    commit: float
    commits: int = 0
    waiting: list[simpy.Event] = field(default_factory=list)
    writing: bool = False

    def written(self) -> simpy.Event:
        row = self.world.event()
        self.waiting.append(row)
        if not self.writing:
            self.writing = True
            self.world.process(self._write())
        return row

    def _write(self) -> Steps:
        while self.waiting:
            batch, self.waiting = self.waiting, []
            yield self.world.timeout(self.commit)
            self.commits += 1
            for row in batch:
                row.succeed()
        self.writing = False


class _Served:
    """A resource whose time is counted."""

    def __init__(self, world: simpy.Environment, capacity: int) -> None:
        self._world = world
        self._capacity = capacity
        self._resource = simpy.Resource(world, capacity)
        self._used = 0.0

    def serve(self, seconds: float, quantum: float = float("inf"), by: _Served | None = None) -> Steps:
        """Take one of it for so long, by turns; `by`: what does the work then, and has to be had, too."""
        left = seconds
        while left > 0:
            turn = min(left, quantum)
            with self._resource.request() as place:
                yield place
                yield from by.serve(turn) if by is not None else self._passing(turn)
            self._used += turn
            left -= turn

    def _passing(self, seconds: float) -> Steps:
        yield self._world.timeout(seconds)

    def busy(self, seconds: float) -> float:
        return self._used / (self._capacity * seconds)


class World:
    """One simulation; `seed` makes it the same each time."""

    def __init__(self, site: Site, times: ServiceTimes, seed: int = 1) -> None:
        self._site, self._times = site, times
        self._random = random.Random(seed)
        self.env = simpy.Environment()
        self._loops = [_Served(self.env, 1) for _ in range(site.managers)]
        self._cores = _Served(self.env, site.machines * site.cores)
        self._creates = _Served(self.env, 1)
        self._journal = _Journal(self.env, times.commit)
        self._permits = simpy.Resource(self.env, site.permits)
        self._ready = [site.pool] * site.managers
        self._unpulled = site.machines
        self._waits: list[float] = []
        self._warm = self._attempts = self._most_permits = 0
        self._held = 0.0

    def burst(self, runs: int) -> Found:
        """All at once."""
        return self._lived([0.0] * runs)

    def steady(self, nodes: int, each: float, seconds: float) -> Found:
        """`nodes` that send `each` runs a second, independently, for so long."""
        arrivals, at = [], 0.0
        while (at := at + self._random.expovariate(nodes * each)) < seconds:
            arrivals.append(at)
        return self._lived(arrivals)

    def _lived(self, arrivals: Iterable[float]) -> Found:
        for number, at in enumerate(arrivals):
            self.env.process(self._client(at, number % self._site.managers))
        self.env.run()
        seconds = self.env.now
        busy = {
            "manager": max(loop.busy(seconds) for loop in self._loops),
            "journal": self._journal.commits * self._times.commit / seconds,
            "processors": self._cores.busy(seconds),
            PERMITS: self._held / (self._site.permits * seconds),
        }
        if self._site.creates_per_second is not None:
            busy["API server"] = self._creates.busy(seconds)
        return Found(
            runs=len(self._waits),
            seconds=seconds,
            waits=sorted(self._waits),
            warm=self._warm,
            attempts=self._attempts,
            most_permits=self._most_permits,
            commits=self._journal.commits,
            busy=busy,
        )

    def _client(self, at: float, manager: int) -> Steps:
        yield self.env.timeout(at)
        begun = self.env.now
        while True:
            self._attempts += 1
            failed = self._random.random() < self._site.failing
            yield from self._run(manager, failed)
            if not failed:
                break
            yield self.env.timeout(COMING_AGAIN)
        self._waits.append(self.env.now - begun)

    def _run(self, manager: int, failed: bool) -> Steps:
        """Until its final status can be had; what is taken away after that goes on by itself."""
        times = self._times
        yield from self._managed(manager, times.accepting)
        yield self._journal.written()
        permit = self._permits.request()
        yield permit
        held_since = self.env.now
        self._most_permits = max(self._most_permits, self._permits.count)
        yield from self._instance(manager)
        yield from self._managed(manager, times.handing_over)
        yield self._journal.written()
        part = self._random.random() if failed else 1.0
        yield from self._cores.serve(times.contract * part, QUANTUM)
        yield self.env.timeout(times.away * part)
        yield from self._managed(manager, times.ending)
        yield self._journal.written()
        self.env.process(self._removed(permit, held_since))

    def _managed(self, manager: int, seconds: float) -> Steps:
        by = self._cores if self._site.together else None
        yield from self._loops[manager].serve(seconds, by=by)

    def _removed(self, permit: Any, held_since: float) -> Steps:
        yield from self._cores.serve(self._times.removing, QUANTUM)
        self._held += self.env.now - held_since
        self._permits.release(permit)

    def _instance(self, manager: int) -> Steps:
        if self._ready[manager] > 0:
            self._ready[manager] -= 1
            self._warm += 1
            self.env.process(self._made_up_for(manager))
            return
        yield from self._started()

    def _made_up_for(self, manager: int) -> Steps:
        yield from self._started()
        self._ready[manager] += 1

    def _started(self) -> Steps:
        if self._site.creates_per_second is not None:
            yield from self._creates.serve(1 / self._site.creates_per_second)
        if self._unpulled > 0:
            self._unpulled -= 1
            yield self.env.timeout(self._site.pulling)
        yield self.env.timeout(self._times.scheduling)
        yield from self._cores.serve(self._times.starting, QUANTUM)

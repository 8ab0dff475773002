"""One round: runs are asked for, the manager is killed at a random moment with faults around it, and all is
waited for until it is quiet again.
"""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from orchestrator.node.store import NodeStore
from tests.chaos.clients import Clients, Order
from tests.chaos.history import Accepted, Fault, History, PermitsSeen, Settled
from tests.chaos.ledger import read_journal
from tests.chaos.site import Site
from tests.chaos.witness import Witness, Work

WORKS = (Work("short", 100), Work("middle", 20_000), Work("long", 200_000))
FAULTS = ("remove", "cut", "unlink")
OWN_FAULTS = ("engine", "disk")
"""Those that take an engine and a disk of the site's own."""
POD_FAULTS = ("remove", "evict", "preempt", "gone", "connector", "silent")
CLUSTER_FAULTS = (*POD_FAULTS, "cut", "watch", "api", "image")
"""Of a cluster: what is aimed at a Pod; what its API server does, and a node without an image."""
SURVIVED = ("connector", "silent")
"""What a run that has its job has its result in spite of."""
WATCH_S = 0.25
QUIET_S = 120.0


@dataclass
class Arena:
    """What all rounds share. `kill_within`: seconds after the first request in which the manager dies."""

    site: Site
    store: NodeStore
    history: History
    dice: random.Random
    permits: int
    faults: Sequence[str] = ()
    kill_within: float = 6.0
    rounds: int = 0
    recoveries: list[float] = field(default_factory=list)
    """Seconds, one per kill, as `Site.followed` has them."""

    async def play(self, runs: int) -> None:
        """One round of `runs` runs. Raises TimeoutError when the site does not become quiet."""
        self.rounds += 1
        async with AsyncExitStack() as held:
            orders = [await held.enter_async_context(self.order(number)) for number in range(runs)]
            clients = await held.enter_async_context(Clients(self.site.api, self.history))
            watching = asyncio.create_task(self._watch_permits())
            try:
                async with asyncio.TaskGroup() as group:
                    for order in orders:
                        group.create_task(self._see_through(clients, order))
                    group.create_task(self._disturb(orders))
            finally:
                watching.cancel()
                await asyncio.wait([watching])
            await self.settle(clients)

    @asynccontextmanager
    async def order(self, number: int) -> AsyncIterator[Order]:
        """An order for work of the dice's choice, and its node."""
        work = self.dice.choices(WORKS, weights=(5, 3, 1))[0]
        async with self.order_for(f"{self.rounds}-{number}", work, sync=self.dice.random() < 0.7) as order:
            yield order

    @asynccontextmanager
    async def order_for(self, key: str, work: Work, *, sync: bool = True) -> AsyncIterator[Order]:
        """An order, and the node behind it."""
        stage = await asyncio.to_thread(work.stage, self.store)
        path = self.site.folder / f"sock-{key}"
        witness = Witness(key, path, stage, self.history, self.site.listen)
        await witness.open()
        try:
            yield Order(work, witness, sync)
        finally:
            await witness.close()

    async def _see_through(self, clients: Clients, order: Order) -> None:
        await clients.final_status(order, await clients.accept(order))

    async def _disturb(self, orders: Sequence[Order]) -> None:
        """Kill and replace the manager; one fault before, one while it is dead."""
        await asyncio.sleep(self.dice.uniform(0.05, self.kill_within))
        await self._one_fault(orders)
        await self.site.kill()
        self.history.add(Fault("kill"))
        if self.site.disk is not None:
            await asyncio.to_thread(self.site.disk.free)
        await self._one_fault(orders, dead=True)
        self.recoveries.append(await self.site.followed(QUIET_S))

    async def _one_fault(self, orders: Sequence[Order], *, dead: bool = False) -> None:
        if not self.faults:
            return
        match self.dice.choice(self.faults):
            case "cut":
                await self._cut(orders)
            case "engine":
                await self._restart_engine()
            case "disk" if not dead:
                await self._fill_disk()
            case "watch" | "api" as kind:
                self.history.add(Fault(kind))
                await self.site.disturb(kind)
            case "image":
                self.site.lose_image(lambda run: self.history.add(Fault("image", run)))
            case kind if kind == "unlink" or kind in POD_FAULTS:
                await self._aim(kind)

    async def _restart_engine(self) -> None:
        assert self.site.own_engine is not None
        self.history.add(Fault("engine"))
        how = self.dice.choice((signal.SIGTERM, signal.SIGKILL))
        await asyncio.to_thread(self.site.own_engine.stop, how)
        await asyncio.to_thread(self.site.own_engine.start)

    async def _fill_disk(self) -> None:
        """Until the manager is dead, and for a while before."""
        assert self.site.disk is not None
        self.history.add(Fault("disk"))
        await asyncio.to_thread(self.site.disk.fill)
        await asyncio.sleep(self.dice.uniform(0.2, 2.0))

    async def _aim(self, kind: str) -> None:
        """Remove a running container, or the file of its control socket; of a Pod there are more ways."""
        running = [one for one in await self.site.containers() if one.state == "running" and one.run]
        if not running:
            return
        victim = self.dice.choice(running)
        rows = await asyncio.to_thread(read_journal, self.site.state_dir)
        has_its_job = any(row.id == victim.run and row.state == "running" for row in rows)
        self.history.add(Fault(kind, None if kind in SURVIVED and has_its_job else victim.run))
        await self.site.strike(kind, victim)

    async def _cut(self, orders: Sequence[Order]) -> None:
        talking = [order for order in orders if order.witness.talking]
        ids = {entry.key: entry.id for entry in self.history.all(Accepted)}
        if talking and (victim := self.dice.choice(talking)).key in ids:
            self.history.add(Fault("cut", ids[victim.key]))
            victim.witness.cut()

    async def _watch_permits(self) -> None:
        while True:
            containers = await self.site.containers()
            costs = {entry.id: entry.cost for entry in self.history.all(Accepted)}
            in_use = sum(costs.get(one.run, 1) for one in containers if one.run is not None)
            self.history.add(PermitsSeen(in_use, self.permits))
            await asyncio.sleep(WATCH_S)

    async def settle(self, clients: Clients) -> None:
        """Wait until containers, permits and journal are where they were; note what is not after a while."""
        end = time.monotonic() + QUIET_S
        while True:
            status = await clients.status()
            assert status is not None
            settled = await self._left_over(status)
            rows = await asyncio.to_thread(read_journal, self.site.state_dir)
            quiet = (
                not settled.containers
                and not settled.directories
                and settled.permits_free == settled.permits_maximum
                and all(row.final for row in rows)
            )
            if quiet or time.monotonic() > end:
                self.history.add(settled)
                return
            await asyncio.sleep(0.05)

    async def _left_over(self, status: dict[str, Any]) -> Settled:
        """What is there beyond the ready instances that the manager counts as its own."""
        containers = await self.site.containers()
        waiting = [one for one in containers if one.run is None]
        ready = 0 if status["pool"] is None else int(status["pool"]["ready"])
        known = {one.instance for one in waiting[:ready]}
        directories = await asyncio.to_thread(self.site.directories)
        return Settled(
            tuple(one.instance for one in containers if one.instance not in known),
            tuple(path.name for path in directories if path.name not in known),
            int(status["permits"]["current"]),
            int(status["permits"]["max"]),
        )


async def undisturbed(site: Site, store: NodeStore, history: History) -> dict[str, bytes]:
    """The result of each work in a calm moment, by its name."""
    results = {}
    async with Clients(site.api, history) as clients:
        for work in WORKS:
            stage = await asyncio.to_thread(work.stage, store)
            key = f"undisturbed-{work.name}"
            witness = Witness(key, site.folder / f"sock-{key}", stage, history, site.listen)
            await witness.open()
            try:
                order = Order(work, witness, sync=True)
                status = await clients.final_status(order, await clients.accept(order))
            finally:
                await witness.close()
            assert stage.result is not None and stage.result[0] == 0, (work.name, stage.result, status)
            results[work.name] = stage.result
    return results

"""The day itself: traffic, faults, looks, and in its middle another version that takes over."""

from __future__ import annotations

import asyncio
import random
import shutil
import sys
import time
import traceback
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
import yaml
from docker.utils import kwargs_from_env

from orchestrator.demo_services import KEY, Services, serving
from orchestrator.node.store import NodeStore
from tests.chaos.checker import Verdict, check
from tests.chaos.clients import Clients
from tests.chaos.history import Fault, History
from tests.chaos.site import Site
from tests.longrun.engine_door import EngineDoor
from tests.longrun.errands import CALLERS, Errand, errands
from tests.longrun.faults import FAULTS, FOLLOWED_S, MODULES, Faults, ordered
from tests.longrun.pace import HOURS, Pace
from tests.longrun.socket_line import SocketLine
from tests.longrun.standing import Moment, Standing, at_rest, moment, networks, nothing_left
from tests.longrun.traffic import Traffic
from tests.longrun.versions import PRESENT, Version

ENGINE = "unix:///var/run/docker.sock"
WAIT = "5s"
AT_ONCE = 48
"""Runs under way, for their clients: whoever comes later waits."""
OVER_S = 180.0
IN_FLIGHT = 4
"""Runs whose nodes hold them while another version takes over."""
CALM_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Plan:
    """What the day is made of. `calm` hours end no manager; `look_every` in seconds, 0: only at rest."""

    before: Version = PRESENT
    after: Version = PRESENT
    hours: int = HOURS
    upgrade_at: int = HOURS // 2
    calm: Sequence[int] = ()
    faults: Sequence[str] = FAULTS
    shuffled: bool = True
    callers: Sequence[str] = CALLERS
    sparse: bool = False
    permits: int = 16
    pool_size: int = 4
    reuse: int = 4
    look_every: float = 0.0
    seed: int = 1
    settings: dict[str, object] = field(default_factory=dict)


@dataclass
class Day:
    """Everything that a day has seen."""

    plan: Plan
    pace: Pace
    traffic: Traffic
    faults: Faults
    services: Services
    dice: random.Random
    begun: float = field(default_factory=time.monotonic)
    hour: int = 0
    hour_begun: float = field(default_factory=time.monotonic)
    moments: list[Moment] = field(default_factory=list)
    struck: list[tuple[float, str]] = field(default_factory=list)
    expected: dict[str, bytes] = field(default_factory=dict)
    known: list[Errand] = field(default_factory=list)
    standings: dict[str, Standing] = field(default_factory=dict)
    upgrade_s: float = 0.0
    runs: set[asyncio.Task[None]] = field(default_factory=set)
    closed: bool = False
    """The day is over: whoever still waits to ask does not any more."""
    room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    async def play(self) -> Verdict:
        """From the first manager's start to the last one's end; whatever breaks it off is a finding."""
        looking: asyncio.Task[None] | None = None
        try:
            await self._morning()
            looking = asyncio.create_task(self._look())
            for hour in range(self.plan.hours):
                if hour == self.plan.upgrade_at:
                    await self._upgrade(hour)
                await self._hour(hour)
            await self._over()
            await self.faults.slow.aclose()
            looking.cancel()
            self.standings["after"] = await at_rest(self.traffic.site, self.traffic.clients)
            await self._end()
        except Exception as error:
            traceback.print_exc()
            self.traffic.findings.append(f"the day broke off: {error!r}")
        finally:
            for task in (left := [*([looking] if looking else []), *self.runs]):
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)
        return self._judged()

    async def _morning(self) -> None:
        """What there is at rest before anything has run: of the version that the day ends with, too."""
        traffic, plan = self.traffic, self.plan
        if plan.before != plan.after:
            self.standings["fresh"] = await self._fresh()
        await traffic.site.start()
        for name in MODULES:
            await self.faults.order("start", name)
        await self._learn(plan.before.lines)
        self.standings["before"] = await at_rest(traffic.site, traffic.clients)
        self.begun = time.monotonic()

    async def _fresh(self) -> Standing:
        """A manager of the later version on a state directory of its own."""
        site, folder = self.traffic.site, self.traffic.site.folder / "f"
        folder.mkdir()
        drained = {"shutdown_policy": "drain"}
        settings = site.settings | dict(self.plan.after.images) | drained
        fresh = Site(site.engine, folder, settings, program=self.plan.after.program)
        try:
            await fresh.start()
            for name in MODULES:
                assert await ordered(fresh.api, "start", name) is None
            async with Clients(fresh.api, self.traffic.history) as clients:
                standing = await at_rest(fresh, clients)
            assert await fresh.stop() == 0
        finally:
            await _cleared(fresh)
        shutil.rmtree(folder)
        return standing

    async def _over(self) -> None:
        """Until each run that was asked for is over for its client, or has had time to be."""
        self.closed = True
        if self.runs:
            await asyncio.wait(self.runs, timeout=OVER_S)
        for going in self.traffic.going.values():
            self.traffic.findings.append(f"{going.order.key} ({going.errand.name}) did not come to an end")

    async def _learn(self, lines: Sequence[str]) -> None:
        """What undisturbed runs of those contract lines return, and from then on they are asked for."""
        room = asyncio.Semaphore(CALM_AT_ONCE)

        async def one(errand: Errand) -> None:
            async with room:
                done = await self.traffic.run(errand, -1)
            row = self.traffic.rows_by_name[errand.name]
            assert row.result is not None and row.result[0] == 0, (errand.name, done, row)
            self.expected[errand.name] = row.result

        asked = errands(lines, self.services.page, self.plan.callers, sparse=self.plan.sparse)
        fresh = [one for one in asked if one not in self.known]
        async with asyncio.TaskGroup() as group:
            for errand in fresh:
                group.create_task(one(errand))
        self.known += fresh

    async def _hour(self, hour: int) -> None:
        self.hour, self.hour_begun = hour, time.monotonic()
        tasks: list[asyncio.Task[None]] = []
        async with asyncio.TaskGroup() as group:
            group.create_task(self._arrive(hour, tasks))
            group.create_task(self._disturb(hour))
        await self.pace.end_of_hour(tasks)
        causes = sorted({done.cause for done in self.traffic.done if done.hour == hour})
        print(f"hour {hour}: {len(self.traffic.done)} runs over, {causes}", file=sys.stderr, flush=True)

    async def _arrive(self, hour: int, tasks: list[asyncio.Task[None]]) -> None:
        async for held in self.pace.arrivals(hour):
            tasks.append(self._begin(self._chosen(held), hour, held=held))

    def _begin(self, errand: Errand, hour: int, *, held: bool) -> asyncio.Task[None]:
        """A run of its own task; what fails in it is a finding, and stops nothing else."""

        async def one() -> None:
            try:
                # Those that are held are few, and somebody waits for them.
                async with nullcontext() if held else self.room:
                    if not self.closed:
                        await self.traffic.run(errand, hour, held=held)
            except Exception as error:
                traceback.print_exc()
                self.traffic.findings.append(f"a run of {errand.name} broke off: {error!r}")

        task = asyncio.create_task(one())
        self.runs.add(task)
        task.add_done_callback(self.runs.discard)
        return task

    async def victim(self) -> None:
        """A run whose node holds it."""
        self._begin(self._chosen(True), self.hour, held=True)
        await self.traffic.held_have_begun(1)

    def _chosen(self, held: bool) -> Errand:
        """By weight, and each contract line alike. What uses modules is never held: they may be ill."""
        able = [errand for errand in self.known if not (held and errand.kind.uses_modules)]
        line = self.dice.choice(sorted({errand.kind.line for errand in able}))
        able = [errand for errand in able if errand.kind.line == line]
        return self.dice.choices(able, [errand.kind.weight for errand in able])[0]

    async def _disturb(self, hour: int) -> None:
        async for _ in self.pace.faults(self.traffic.held_have_begun):
            at = self._now()
            kind = await self.faults.strike(spare_manager=hour in self.plan.calm)
            self.struck.append((at, kind))
            self.traffic.wake()

    def _now(self) -> float:
        """The hour of the day, with its fraction where the clock leads."""
        length = getattr(self.pace, "hour_s", 0.0)
        return self.hour + (min(1.0, (time.monotonic() - self.hour_begun) / length) if length else 0.0)

    async def _upgrade(self, hour: int) -> None:
        """As docs/upgrade.md has it: the old one leaves its runs, the new one adopts them."""
        plan, site = self.plan, self.traffic.site
        held = [self._begin(self._chosen(True), hour, held=True) for _ in range(IN_FLIGHT)]
        await self.traffic.held_have_begun(IN_FLIGHT)
        self.traffic.history.add(Fault("upgrade"))
        self.struck.append((float(hour), "upgrade"))
        begun = time.monotonic()
        code = await site.stop()
        if code != 0:
            self.traffic.findings.append(f"the manager before the upgrade ended with {code}")
        site.program = plan.after.program
        site.settings |= plan.after.images
        await site.followed(FOLLOWED_S)
        self.upgrade_s = time.monotonic() - begun
        self.traffic.wake()
        await asyncio.wait(held)
        for name in MODULES if plan.before != plan.after else ():
            await self.faults.order("restart", name)
        await self._learn(plan.after.lines)

    async def _look(self) -> None:
        while self.plan.look_every:
            await asyncio.sleep(self.plan.look_every)
            seen = await moment(self.traffic, self._now(), time.monotonic() - self.begun)
            if seen is not None:
                self.moments.append(seen)

    async def _end(self) -> None:
        """A manager that ends its runs when it is stopped, and leaves nothing."""
        site = self.traffic.site
        code = await site.stop()
        site.settings["shutdown_policy"] = "drain"
        await site.start()
        await at_rest(site, self.traffic.clients)
        codes = [code, await site.stop()]
        if any(codes):
            self.traffic.findings.append(f"the last managers ended with {codes}")
        self.traffic.history.add(await nothing_left(site))

    def _judged(self) -> Verdict:
        traffic = self.traffic
        verdict = check(traffic.history, traffic.rows, self.expected)
        for text in traffic.findings:
            verdict.find("lost", text)
        before, after = self.standings.get("fresh", self.standings.get("before")), self.standings.get("after")
        if before != after:
            verdict.find("orphans", f"at rest there was {before}, and in the end {after}")
        return verdict


def _module_files(folder: Path, services: Services) -> dict[str, Path]:
    """Configurations that the manager has on disk: it starts its modules again whatever happens."""
    config = services.llm_config
    for backend in config["backends"].values():
        backend["key"] = KEY
    files = {}
    for name, content in (("llm", config), ("web", services.web_config)):
        files[f"{name}_config"] = folder / f"{name}.yaml"
        files[f"{name}_config"].write_text(yaml.safe_dump(content), "utf-8")
    return files


@asynccontextmanager
async def day(
    engine: docker.APIClient, folder: Path, store: NodeStore, plan: Plan, pace: Pace
) -> AsyncIterator[Day]:
    """A day that has not begun, in `folder`; whatever it leaves is cleared away."""
    history = History(folder / "history.jsonl")
    async with AsyncExitStack() as held:
        held.callback(history.close)
        services = await held.enter_async_context(serving())
        door = EngineDoor(folder / "engine.door", str(kwargs_from_env().get("base_url", ENGINE)))
        await held.enter_async_context(door)
        files = await asyncio.to_thread(_module_files, folder, services)
        site = Site(engine, folder, _settings(plan, door.url) | files, program=plan.before.program)
        held.push_async_callback(_cleared, site)
        clients = await held.enter_async_context(Clients(site.api, history, WAIT))
        socket = await held.enter_async_context(SocketLine(site.api, history))
        traffic = Traffic(site, store, history, clients, socket)
        dice = random.Random(plan.seed)
        faults = Faults(
            traffic,
            door,
            pace,
            random.Random(plan.seed),
            plan.faults,
            plan.shuffled,
        )
        held.push_async_callback(faults.slow.aclose)
        today = Day(plan, pace, traffic, faults, services, dice)
        faults.victim = today.victim
        yield today


def _settings(plan: Plan, engine: str) -> dict[str, Any]:
    return {
        "docker_url": engine,
        "instance_network": "void",
        "instance_reuse": plan.reuse,
        "permits": plan.permits,
        "pool_size": plan.pool_size,
        "shutdown_policy": "detach",
        **plan.before.images,
        **plan.settings,
    }


async def _cleared(site: Site) -> None:
    if site.manager is not None:
        await site.kill()
    await site.clear()
    for name in await networks(site):
        await asyncio.to_thread(site.engine.remove_network, name)

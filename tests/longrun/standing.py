"""What is there beside runs: the manager's processes and what they hold, at every moment and at rest."""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

import aiohttp

from bench.looks import Look, look, slope
from tests.chaos.clients import Clients
from tests.chaos.history import PermitsSeen, Settled
from tests.chaos.ledger import read_live
from tests.chaos.site import LABELS, Site
from tests.e2e.manager_process import MANAGED_BY
from tests.longrun.traffic import Traffic
from tests.until import until_told

TASKS = re.compile(r"^genvm_loop_tasks ([0-9.]+)$", re.MULTILINE)
GROWING = ("resident_mb", "descriptors", "threads", "tasks")
EXECUTOR, VOID = "executor", "void"
RESTED_S = 180.0
WARMED_UP = 0.25
"""The part of a manager's life in which its caches fill: growth counts from its end."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A look at `hour` of the day, in the `life`th manager's; `tasks` is null of one that does not tell."""

    hour: float
    life: int
    at: Look
    tasks: int | None
    permits_free: int

    def flat(self) -> dict[str, Any]:
        rest = asdict(self)
        return {**rest.pop("at"), **rest}


async def moment(traffic: Traffic, hour: float, seconds: float) -> Moment | None:
    """None while there is no manager that answers."""
    site = traffic.site
    manager, life = site.manager, len(site.earlier_logs)
    status = await traffic.clients.status()
    if manager is None or status is None or site.manager is not manager:
        return None
    tasks = await _tasks(site)
    await _note_permits(traffic, int(status["permits"]["max"]))
    try:
        seen = await asyncio.to_thread(
            look, manager.process.pid, site.state_dir, manager.manager_id, len(traffic.done), seconds
        )
    except OSError:
        return None
    return Moment(round(hour, 3), life, seen, tasks, int(status["permits"]["current"]))


async def _tasks(site: Site) -> int | None:
    connector = aiohttp.UnixConnector(str(site.api))
    timeout = aiohttp.ClientTimeout(total=10)
    try:
        async with (
            aiohttp.ClientSession("http://m", connector=connector, timeout=timeout) as session,
            session.get("/metrics") as response,
        ):
            found = TASKS.search(await response.text())
    except (aiohttp.ClientError, OSError, TimeoutError):
        return None
    return None if found is None else int(float(found[1]))


async def _note_permits(traffic: Traffic, maximum: int) -> None:
    """What runs are worth that have a container, by the journal and the engine."""
    live = await asyncio.to_thread(read_live, traffic.site.state_dir)
    there = {one.instance for one in await traffic.site.containers()}
    in_use = sum(row.permits for row in live if row.instance in there)
    traffic.history.add(PermitsSeen(in_use, maximum))


@dataclass(frozen=True, slots=True)
class Standing:
    """What there is when nothing runs: names without those parts that every instance has anew."""

    containers: dict[str, int]
    directories: int
    networks: int
    sockets: int
    permits_free: int
    permits_maximum: int


async def at_rest(site: Site, clients: Clients) -> Standing:
    """As soon as no run is there, the pool is full and each module runs; or what there is after a while."""
    end = time.monotonic() + RESTED_S

    async def rested() -> dict[str, Any] | None:
        status = await clients.status()
        if status is not None and (await _quiet(site, status) or time.monotonic() > end):
            return status
        return None

    status = await until_told(rested)
    permits = status["permits"]
    return Standing(
        containers=dict(sorted(roles_of(await _everything(site)).items())),
        directories=len(site.directories()),
        networks=len(await networks(site)),
        sockets=len(list(site.folder.rglob("*.sock"))),
        permits_free=int(permits["current"]),
        permits_maximum=int(permits["max"]),
    )


async def _quiet(site: Site, status: dict[str, Any]) -> bool:
    """All ready instances that should be, and nobody else."""
    shelves = status["pool"]["images"]
    full = all(shelf["ready"] == shelf["target"] and not shelf["filling"] for shelf in shelves)
    up = all(module["state"] == "running" and not module["draining"] for module in status["modules"].values())
    if not full or not up or status["permits"]["current"] != status["permits"]["max"]:
        return False
    roles = roles_of(await _everything(site))
    instances = sum(count for role, count in roles.items() if role != VOID)
    # What was replaced a moment ago is still being taken away.
    alone = all(count == 1 for role, count in roles.items() if role != EXECUTOR)
    mine = roles.get(EXECUTOR, 0) == status["pool"]["ready"] and len(site.directories()) == instances
    return alone and mine and not await asyncio.to_thread(read_live, site.state_dir)


def roles_of(containers: list[dict[str, Any]]) -> dict[str, int]:
    return Counter(one["Labels"].get(f"{LABELS}role", "other") for one in containers)


async def networks(site: Site) -> list[str]:
    """Those that the site's managers have made."""
    identity = site.state_dir / "manager-id"
    if not await asyncio.to_thread(identity.exists):
        return []
    named = await asyncio.to_thread(identity.read_text, "ascii")
    return [one["Name"] for one in await asyncio.to_thread(site.engine.networks) if named in one["Name"]]


async def _everything(site: Site) -> list[dict[str, Any]]:
    identity = (site.state_dir / "manager-id").read_text("ascii")
    filters = {"label": f"{MANAGED_BY}={identity}"}
    found: list[dict[str, Any]] = await asyncio.to_thread(site.engine.containers, all=True, filters=filters)
    return found


async def nothing_left(site: Site) -> Settled:
    """What the last manager left when it ended for good."""
    containers = [str(one["Names"]) for one in await _everything(site)]
    sockets = [path.name for path in site.folder.rglob("*.sock")]
    left = [path.name for path in site.directories()]
    return Settled((*containers, *await networks(site)), (*left, *sockets), 0, 0)


def growth(moments: list[Moment]) -> dict[str, Any]:
    """Of the longest-lived manager, by 1,000 runs, once it has warmed up; null: too few looks."""
    lives: dict[int, list[Moment]] = {}
    for one in moments:
        lives.setdefault(one.life, []).append(one)
    longest = max(lives.values(), key=lambda life: life[-1].at.runs - life[0].at.runs, default=[])
    settled = longest[int(len(longest) * WARMED_UP) :]
    found: dict[str, Any] = {"runs": settled[-1].at.runs - settled[0].at.runs if settled else 0}
    if settled:
        found |= {"from_hour": settled[0].hour, "to_hour": settled[-1].hour}
    for name in GROWING:
        points = [(one.at.runs, one.flat()[name]) for one in settled if one.flat()[name] is not None]
        found[f"{name}_per_1000_runs"] = _rounded(slope(points))
    return found


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)

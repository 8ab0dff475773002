"""`GET /status` (manager-api 3.1), `/healthz`, `/readyz`.

The body of `/status` is prepared once per change, so that asking often costs nothing and load cannot slow it.
What it says of ended runs is kept in parts (`status_runs`), so that thousands of them slow no change, and are
told of for the first time without anybody's having to wait; a large body is sent as gzip to who takes that
(`squeezed`), and not at all to who has it already.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from itertools import islice
from typing import Any

from aiohttp import web

from orchestrator.access.scope import Scope
from orchestrator.api.answers import Alive, ManagerStatus, Ready
from orchestrator.api.callers import caller_of
from orchestrator.api.context import CONTEXT, ApiContext
from orchestrator.api.description import Description, describes
from orchestrator.api.parted_body import JSON_TYPE, PartedBody
from orchestrator.api.squeezed import Part
from orchestrator.api.status_runs import StatusRuns, Told, encode, entry
from orchestrator.contracts.timestamps import format_timestamp
from orchestrator.executions.costs import NEWEST_COSTS, Holder
from orchestrator.executions.ended import EndedRun
from orchestrator.executions.run import Run
from orchestrator.runtime.pool import PoolRuntime
from orchestrator.store.port import RunHead
from orchestrator.views import brief
from orchestrator.views.brief import Brief
from orchestrator.views.visible import VisibleRuns

ALIVE = b'{"status": "ok"}'
MOST_HOLDERS = 100
"""Of those who hold permits so many are named: who has held longest is what is looked for."""
AT_ONCE = 256
"""Other managers' runs that are looked at without a look at anything else."""


Revision = tuple[int, int, int, int, bool, str | None, str | None, int]


def revision_of(context: ApiContext) -> Revision:
    """Changes whenever anybody would be told something else."""
    return (
        context.executions.revision,
        0 if context.pool is None else context.pool.revision,
        context.modules.revision,
        context.executions.misuse.revision,
        context.engine_reachable(),
        context.journal_trouble(),
        context.no_room(),
        0 if context.passing is None else context.passing.member.others_runs.revision,
    )


class StatusBody:
    """The encoded body for who sees `namespace` (null: all), made anew only when something has changed."""

    def __init__(self, context: ApiContext, namespace: str | None) -> None:
        self._context = context
        self._runs = VisibleRuns(context.executions, namespace)
        self._made_for: Revision | None = None
        self._body = PartedBody([], context.background.spawn)
        self._making = asyncio.Lock()
        self._listed = StatusRuns(_ended, self._runs.takes)
        self._holders = Told[int]()
        self._live = Told[int]()
        self._theirs = Told[tuple[str, int]]()

    async def current(self) -> PartedBody:
        """As it is now; where much of it is new it is made bit by bit, while others are served."""
        if revision_of(self._context) != self._made_for:
            async with self._making:
                if revision_of(self._context) != self._made_for:
                    await self._come_near()
                    self._make()
        return self._body

    async def _come_near(self) -> None:
        await self._listed.come_near(self._runs.ended_blocks())
        for number, other in enumerate(list(self._others()), 1):
            self._their(*other)
            if number % AT_ONCE == 0:
                await asyncio.sleep(0)

    def _make(self) -> None:
        current = revision_of(self._context)
        rest = encode(status_of(self._context, self._runs))
        holders = ",".join(map(self._holding, islice(self._runs.holders(), MOST_HOLDERS)))
        head = f'{rest[:-1]},"permit_holders":[{holders}],"executions":{{'
        ended = self._listed.parts(self._runs.ended_blocks())
        live = [self._living(run) for run in self._runs.live() if not run.fetched]
        others = ",".join([*live, *(self._their(*other) for other in self._others())])
        tail = f",{others}}}}}" if ended and others else f"{others}}}}}"
        parts = [Part(head.encode()), *ended, Part(tail.encode())]
        self._body = PartedBody(parts, self._context.background.spawn)
        self._made_for = current
        for told in (self._holders, self._live, self._theirs):
            told.turn()

    def _living(self, run: Run) -> str:
        """What a node counts: all runs but those whose status was fetched."""
        facts = brief.of_live(run)
        return self._live.of(run.id, facts, lambda: entry(run.id, _entry(facts)))

    def _others(self) -> Iterator[tuple[str, RunHead]]:
        """Other managers' runs, as of a moment ago; those that this one has by now are its own."""
        if self._context.passing is None:
            return iter(())
        current, runs = self._context.passing.member.others_runs.current, self._runs
        return (
            (manager, head)
            for manager, head in current
            if runs.namespace in (None, head.namespace) and not runs.executions.knows(head.id)
        )

    def _their(self, manager: str, head: RunHead) -> str:
        told = partial(_told_of, manager, head)
        return self._theirs.of((manager, head.id), head, told)

    def _holding(self, holder: Holder) -> str:
        return self._holders.of(holder.name, holder, lambda: encode(holder_of(holder)))


def _told_of(manager: str, head: RunHead) -> str:
    return entry(head.id, _entry(brief.of_head(head)) | {"manager": manager})


class StatusBodies:
    """A body for each namespace that was asked for: not more than there are tokens."""

    def __init__(self, context: ApiContext) -> None:
        self._context = context
        self._bodies: dict[str | None, StatusBody] = {}

    def of(self, namespace: str | None) -> StatusBody:
        if namespace not in self._bodies:
            self._bodies[namespace] = StatusBody(self._context, namespace)
        return self._bodies[namespace]


STATUS_BODIES = web.AppKey("status_bodies", StatusBodies)


def status_of(context: ApiContext, runs: VisibleRuns) -> dict[str, Any]:
    """Keys of every generation, then ours: why runs wait, whether the engine answers. Lists of runs follow.

    Permits, queue and pool are the manager's: what others take explains why one's own runs wait.
    """
    count, size = runs.retained()
    statistics = context.executions.statistics()
    permits = statistics.permits
    engine = context.engine_reachable()
    modules, no_room = context.modules.statuses(), context.no_room()
    return {
        **{f"{kind}_module": module.state for kind, module in modules.items()},
        "permits": {
            "current": permits.available,
            "max": permits.maximum,
            # Only the newest clients know these keys: what it costs them.
            "per_sync_run": context.rules.price(NEWEST_COSTS, nondet=False),
            "per_nondet_run": context.rules.price(NEWEST_COSTS, nondet=True),
        },
        "queue": {"depth": permits.waiting, "waiting_for": waiting_for(permits.waiting, engine, no_room)},
        "engine": "reachable" if engine else "unreachable",
        "no_room": no_room,
        "journal": context.journal_trouble() or "writable",
        "pool": _pool(context.pool),
        "modules": {kind.value: asdict(module) for kind, module in modules.items()},
        "misuse": context.executions.misuse.counts(),
        "retained": {"executions": count, "bytes": size},
    } | _managers(context, permits.in_use)


def _managers(context: ApiContext, in_use: int) -> dict[str, Any]:
    """Who shares the journal; nothing where nobody does."""
    if context.passing is None:
        return {}
    member = context.passing.member
    mine = {"id": member.id, "alive": True, "permits_in_use": in_use}
    others = [
        {"id": other.id, "alive": other.alive, "permits_in_use": other.in_use} for other in member.others
    ]
    return {"manager": member.id, "managers": [mine, *others]}


def _pool(pool: PoolRuntime | None) -> dict[str, Any] | None:
    """Ready instances per image, and how many starts found one (docs/pool.md)."""
    if pool is None:
        return None
    statistics = pool.pool_statistics()
    return {
        "ready": statistics.ready,
        "filling": statistics.filling,
        "warm": statistics.warm,
        "cold": statistics.cold,
        "discarded": statistics.discarded,
        "returned": statistics.returned,
        "adopted": statistics.adopted,
        "images": [asdict(shelf) for shelf in statistics.shelves],
    }


def _ended(run: EndedRun) -> dict[str, Any]:
    return _entry(brief.of_ended(run))


def _entry(run: Brief) -> dict[str, Any]:
    finished_at = run.finished_at
    return {
        "has_result": finished_at is not None,
        "result": None if finished_at is None else {"finished_at": format_timestamp(finished_at)},
        "version": run.version,
        "started_at": format_timestamp(run.begun_at),
        "strict_deadline": format_timestamp(run.deadline),
        "state": run.state,
    }


def holder_of(holder: Holder) -> dict[str, Any]:
    return {"id": holder.name, "permits": holder.cost, "since": format_timestamp(holder.since)}


def waiting_for(waiting: int, engine: bool, no_room: str | None) -> str | None:
    """What runs wait for, in a word; null where none waits."""
    if not waiting:
        return None
    if no_room is not None:
        return "room"
    return "permits" if engine else "engine"


@describes(Description(ManagerStatus, answers=(200, 304), failures=(), scope=Scope.READ))
async def get_status(request: web.Request) -> web.StreamResponse:
    if (passing := request.app[CONTEXT].passing) is not None:
        await passing.member.others_runs.look()
    body = await request.app[STATUS_BODIES].of(caller_of(request).sees).current()
    return await body.answer(request)


@describes(Description(Alive, failures=(), scope=Scope.NONE))
async def get_health(request: web.Request) -> web.StreamResponse:
    """Alive: never depends on load or on the engine."""
    return web.Response(body=ALIVE, content_type=JSON_TYPE)


@describes(Description(Ready, answers=(200, 503), failures=(), scope=Scope.NONE))
async def get_ready(request: web.Request) -> web.StreamResponse:
    """Ready to run contracts, or why not.

    The engine answers, runs can be written down, there is a version to run, and modules that were started are
    there. `failing` has a reason for each part that is not so; `problems` are for people, and take nothing
    from readiness.
    """
    context = request.app[CONTEXT]
    failing, problems = context.readiness.failing(), context.access.problems()
    answer: dict[str, Any] = {"ready": not failing}
    answer |= {"reason": next(iter(failing.values())), "failing": failing} if failing else {}
    answer |= {"problems": problems} if problems else {}
    return web.json_response(answer, status=503 if failing else 200)


def add_routes(app: web.Application) -> None:
    app[STATUS_BODIES] = StatusBodies(app[CONTEXT])
    app.router.add_get("/status", get_status)
    app.router.add_get("/healthz", get_health)
    app.router.add_get("/readyz", get_ready)

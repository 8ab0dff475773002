"""The composition root: the one place that wires settings, runtime, executions and edge together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from time import monotonic

import structlog
from aiohttp import web

from orchestrator.access.access import Access
from orchestrator.access.audit import AuditLog
from orchestrator.access.watch import TokenWatch
from orchestrator.api.app import make_app
from orchestrator.api.bodies import BodyLimits
from orchestrator.api.bytes_held import BytesHeld
from orchestrator.api.context import ApiContext
from orchestrator.api.host_names import AcceptedHosts
from orchestrator.api.times import DEFAULT_API_TIMES, ApiTimes
from orchestrator.clock import MACHINE_CLOCK
from orchestrator.company import Among, Company, begun, joined, places_of
from orchestrator.contracts.catalogue import Catalogue
from orchestrator.contracts.versions import ExecutorVersion
from orchestrator.environment import EnvironmentOverlay
from orchestrator.executions.codes import Codes
from orchestrator.executions.dialling import NodeDialler
from orchestrator.executions.lead import ALWAYS
from orchestrator.executions.limits import RunLimits
from orchestrator.executions.permits import PermitPool
from orchestrator.executions.ready_instances import NONE_READY
from orchestrator.executions.request import RunRequest
from orchestrator.executions.retention import Retention, RetentionLimits
from orchestrator.executions.service import Executions
from orchestrator.executions.times import DEFAULT_TIMES, Times
from orchestrator.journal_location import journal_url
from orchestrator.kits import kit_of
from orchestrator.leaving import Patience, closed, forever
from orchestrator.made_permits import permit_pool, run_rules
from orchestrator.made_pool import made_pool, offer_always, pooled
from orchestrator.memory import FreeMemory
from orchestrator.metrics.first_scrape import scraper
from orchestrator.metrics.history import History
from orchestrator.metrics.run_tally import RunTally
from orchestrator.metrics.sources import Sources, StartTime
from orchestrator.module_values import module_settings, module_times
from orchestrator.modules.orders import OwnOrders
from orchestrator.modules.service import ModuleService
from orchestrator.node_rules import node_dialler
from orchestrator.provider_checks import CheckOne, provider_checks
from orchestrator.readiness import Readiness
from orchestrator.ready_checks import DEFAULT_READY_TIMES, ReadyTimes, ready_checks
from orchestrator.runtime.pool import PoolRuntime
from orchestrator.runtime.port import Runtime
from orchestrator.settings import Settings
from orchestrator.state_dir import owned_state_dir
from orchestrator.store.codes import DIRECTORY as CODES
from orchestrator.store.codes import CodeFiles
from orchestrator.store.journal import open_journal
from orchestrator.store.port import Journal
from orchestrator.store.writability import Writability
from orchestrator.taking_over import take_over
from orchestrator.tasks import TaskOwner, cancel_and_wait
from orchestrator.traces.traces import Traces, opened_traces

log = structlog.get_logger(__name__)

# Seconds after which an image that was built anew under its name is used for what is kept ready.
IMAGE_LOOK = 30.0
# Seconds for ending modules that no orderly shutdown has ended.
MODULES_END_TIME = 5.0
# Seconds for the last lines of the audit log.
AUDIT_TIME = 5.0

MakeRuntime = Callable[[Settings, str], Awaitable[Runtime]]


@dataclass(frozen=True, slots=True)
class Manager:
    """A wired manager; `app` is not served yet. `runtime` is the pool where there is one."""

    settings: Settings
    executions: Executions
    nodes: NodeDialler
    modules: ModuleService
    runtime: Runtime
    pool: PoolRuntime | None
    background: TaskOwner
    app: web.Application
    recovery: asyncio.Task[None]
    """Takes over what an earlier manager left, while the app is served already; its failure is this one's."""

    async def recovered(self) -> None:
        """Wait until everything is taken over. Raises StoreFailure, RuntimeFailure."""
        await asyncio.shield(self.recovery)

    def let_pool_go(self, *, leave: bool) -> None:
        """Keep none ready from now on: end those that are, or leave them to the next manager.

        Runs under way are not touched.
        """
        if self.pool is not None:
            work = self.pool.detach() if leave else self.pool.drain()
            self.background.spawn("let-pool-go", work)


@asynccontextmanager
async def manager(
    settings: Settings,
    make_runtime: MakeRuntime | None = None,
    check_llm: CheckOne | None = None,
    times: Times = DEFAULT_TIMES,
    api_times: ApiTimes = DEFAULT_API_TIMES,
    *,
    lasting: bool = True,
    ready_times: ReadyTimes = DEFAULT_READY_TIMES,
    patience: Patience = forever,
) -> AsyncIterator[Manager]:
    """A manager that runs; on leaving, its runs are ended and everything is closed in reverse order.

    `make_runtime` gets the settings and the manager id; unset: what the settings name. `check_llm` asks a
    provider; unset: the installed clients. `times`: how long its executions wait for
    others; `api_times`: the edge; `ready_times`: its readiness. Not `lasting`: its journal need not survive
    the machine. `patience`: with what a database or an engine holds up on leaving.

    Raises BadTokens, StateDirUnusable, ManifestError, EngineUnreachable, TracesNotInstalled.
    """
    async with AsyncExitStack() as held:
        make = make_runtime or named_runtime
        ground = await _ground(settings, make, times, held, patience, lasting=lasting)
        heart = _heart(ground, held, times, api_times)
        watched = _watched(ground, heart, ready_times)
        check = await held.enter_async_context(provider_checks(check_llm))
        context = _context(ground, heart, watched, api_times, check)
        app = make_app(context, AcceptedHosts(settings.allowed_hosts), _body_limits(settings))
        recovery = asyncio.create_task(_recover(ground, heart), name="recovery")
        held.push_async_callback(cancel_and_wait, recovery)
        yield Manager(
            settings,
            heart.executions,
            ground.nodes,
            heart.modules,
            ground.runtime,
            ground.pool,
            heart.background,
            app,
            recovery,
        )


@dataclass(frozen=True, slots=True)
class _Ground:
    """What a manager stands on, open before anything of it runs. `inner`: the runtime without its pool."""

    settings: Settings
    tokens: TokenWatch | None
    catalogue: Catalogue
    permits: PermitPool
    make: MakeRuntime
    inner: Runtime
    pool: PoolRuntime | None
    nodes: NodeDialler
    traces: Traces | None
    journal: Journal
    company: Company | None
    patience: Patience

    @property
    def runtime(self) -> Runtime:
        return self.pool or self.inner


async def _ground(
    settings: Settings,
    make: MakeRuntime,
    times: Times,
    held: AsyncExitStack,
    patience: Patience,
    *,
    lasting: bool,
) -> _Ground:
    tokens = None if settings.tokens_file is None else await TokenWatch.open(settings.tokens_file)
    manager_id = await asyncio.to_thread(
        held.enter_context, owned_state_dir(settings.state_dir, settings.manager_id)
    )
    catalogue = await Catalogue.load(settings.manifest, settings.image_pattern)
    memory = await asyncio.to_thread(FreeMemory.now)
    permits = permit_pool(settings, memory)
    inner = await make(settings, manager_id)
    pool = made_pool(settings, inner, permits, memory.pool_room())
    held.push_async_callback(closed, "runtime", (pool or inner).aclose, patience)
    nodes = held.enter_context(closing(await asyncio.to_thread(node_dialler, settings, times)))
    traces = await _traces(settings, manager_id, held)
    journal, company = await _journal(settings, manager_id, permits, lasting=lasting)
    held.push_async_callback(closed, "journal", journal.aclose, patience)
    return _Ground(
        settings, tokens, catalogue, permits, make, inner, pool, nodes, traces, journal, company, patience
    )


@dataclass(frozen=True, slots=True)
class _Heart:
    """What runs, before anybody may ask for it. `recovered` is set once it is all taken over."""

    background: TaskOwner
    environment: EnvironmentOverlay
    modules: ModuleService
    executions: Executions
    among: Among | None
    audit: AuditLog
    recovered: asyncio.Event
    tally: RunTally
    start: StartTime


def _heart(ground: _Ground, held: AsyncExitStack, times: Times, api_times: ApiTimes) -> _Heart:
    settings = ground.settings
    background, environment = TaskOwner("manager"), EnvironmentOverlay(settings.template_variables)
    held.push_async_callback(background.aclose)
    # By the pool: a module is never warm, but may need the room of what is.
    modules = ModuleService(
        ground.runtime,
        module_settings(settings),
        environment.get,
        settings.state_dir,
        module_times(settings),
        filters=kit_of(settings).packet_filters(ground.inner),
    )
    held.push_async_callback(modules.aclose, MODULES_END_TIME)
    recovered, tally = asyncio.Event(), RunTally()
    codes = Codes(CodeFiles(settings.state_dir / CODES), ground.inner, background, times)
    executions = _executions(ground, times=times, modules=modules, tally=tally, codes=codes)
    among = begun(
        ground.company,
        executions,
        modules,
        environment,
        make_runtime=ground.make,
        recovered=recovered,
        times=api_times,
    )
    audit = AuditLog(settings.audit_file, background).begun()
    held.push_async_callback(audit.flushed, AUDIT_TIME)
    held.push_async_callback(_ended, executions, among, ground.patience)
    return _Heart(background, environment, modules, executions, among, audit, recovered, tally, StartTime())


@dataclass(frozen=True, slots=True)
class _Watched:
    """What is looked at again and again, for whoever asks how things are."""

    writability: Writability
    readiness: Readiness
    sources: Sources
    history: History


def _watched(ground: _Ground, heart: _Heart, times: ReadyTimes) -> _Watched:
    settings, background, runtime = ground.settings, heart.background, ground.runtime
    if ground.tokens is not None:
        background.spawn_eternal("tokens", ground.tokens.keep_looking(settings.tokens_interval))
    writability = Writability(ground.journal, settings.state_dir, settings.disk_floor_bytes)
    background.spawn_eternal("writability", writability.watch(times.journal_look))
    checks = ready_checks(
        heart.recovered,
        runtime,
        writability,
        ground.catalogue,
        heart.modules,
        among=heart.among,
        times=times,
    )
    readiness = Readiness(checks, MACHINE_CLOCK)
    background.spawn_eternal("readiness", readiness.watch())
    sources = Sources(
        executions=heart.executions,
        runtime=runtime,
        modules=heart.modules,
        journal=ground.journal,
        retention=_keeping(settings),
        pool=ground.pool,
        tally=heart.tally,
        not_ready=readiness.reason,
        journal_trouble=lambda: writability.trouble,
        queue_limit=settings.queue_limit,
        queue_bytes=settings.queue_bytes,
        start=heart.start,
        traces=None if ground.traces is None else ground.traces.export,
    )
    history = History(sources)
    background.spawn_eternal("history", history.keep())
    return _Watched(writability, readiness, sources, history)


def _context(
    ground: _Ground, heart: _Heart, watched: _Watched, times: ApiTimes, check_llm: CheckOne
) -> ApiContext:
    """What the edge talks to."""
    settings, among = ground.settings, heart.among
    modules, environment, runtime = heart.modules, heart.environment, ground.runtime
    return ApiContext(
        executions=heart.executions,
        recovered=heart.recovered,
        times=times,
        background=heart.background,
        rules=run_rules(settings),
        catalogue=ground.catalogue,
        environment=environment,
        start_wait=settings.start_wait,
        # One that could never be held would be told for ever to come again.
        max_message_bytes=min(settings.max_message_bytes, settings.body_bytes),
        engine_reachable=lambda: runtime.statistics().engine_reachable,
        no_room=lambda: runtime.statistics().no_room,
        journal_trouble=lambda: watched.writability.trouble,
        readiness=watched.readiness,
        scrape=scraper(watched.sources),
        history=watched.history,
        pool=ground.pool,
        modules=modules,
        orders=OwnOrders(modules, environment) if among is None else among.orders,
        access=Access(heart.audit, ground.tokens, settings.operator_socket),
        check_llm=check_llm,
        passing=None if among is None else among.passing,
        standing=None if among is None else among.orders,
    )


async def _recover(ground: _Ground, heart: _Heart) -> None:
    """Take over what an earlier manager left, and do from then on what has to be done again and again."""
    begun_at, settings, pool = monotonic(), ground.settings, ground.pool
    kept = [pooled(settings, version) for version in ground.catalogue.manifest.versions]
    await take_over(heart.executions, heart.modules, pool, kept, await places_of(heart.among))
    if pool is not None:
        offer_always(pool, ground.catalogue, settings)
        heart.background.spawn_eternal("pool-images", pool.keep_to_images(IMAGE_LOOK))
    every = timedelta(seconds=min(30.0, settings.retention / 4))
    heart.background.spawn_eternal("tend", heart.executions.tend(every))
    heart.start.recovered_after = monotonic() - begun_at
    heart.recovered.set()


async def _journal(
    settings: Settings, manager_id: str, permits: PermitPool, *, lasting: bool
) -> tuple[Journal, Company | None]:
    """The journal, and the company of those that share it. Raises BadSecret, StoreFailure, RuntimeFailure."""
    if settings.cluster_address is None:
        return await open_journal(journal_url(settings), manager_id, lasting=lasting), None
    return await joined(settings, manager_id, permits.statistics().maximum)


async def _traces(settings: Settings, manager_id: str, held: AsyncExitStack) -> Traces | None:
    """Raises TracesNotInstalled."""
    if not settings.traces:
        return None
    url, share, limit = settings.traces_url, settings.traces_share, settings.traces_queue
    return await held.enter_async_context(opened_traces(url, share, limit, manager_id, settings.runtime))


async def _ended(executions: Executions, among: Among | None, patience: Patience) -> None:
    ended = await closed("executions", executions.aclose, patience)
    if among is not None:
        # What may still go on here is nobody else's before the lease ends.
        leave = ended and not executions.left_runs
        await closed("company", partial(among.aclose, leave=leave), patience)


def _body_limits(settings: Settings) -> BodyLimits:
    return BodyLimits(settings.max_body_bytes, settings.body_timeout, BytesHeld(settings.body_bytes))


async def named_runtime(settings: Settings, manager_id: str) -> Runtime:
    """The runtime that the settings name. Raises EngineUnreachable, EngineRefused."""
    return await kit_of(settings).open(settings, manager_id)


def _executions(
    ground: _Ground, *, times: Times, modules: ModuleService, tally: RunTally, codes: Codes
) -> Executions:
    settings, pool, traces, company = ground.settings, ground.pool, ground.traces, ground.company
    return Executions(
        runtime=ground.runtime,
        journal=ground.journal,
        choose_version=partial(_chosen, ground.catalogue),
        limits=_limits(settings),
        permits=ground.permits,
        retention=Retention(_keeping(settings)),
        queue_limit=settings.queue_limit,
        queue_bytes=settings.queue_bytes,
        nodes=ground.nodes,
        pool=NONE_READY if pool is None else pool,
        modules=modules,
        times=times,
        tell=tally.add if traces is None else traces.after(tally.add),
        new_trace=_no_trace if traces is None else traces.begin,
        ids=None if company is None else company.ids,
        lead=ALWAYS if company is None else company.lease,
        codes=codes,
    )


def _chosen(catalogue: Catalogue, request: RunRequest) -> ExecutorVersion:
    """The executor for a run, by the manifest as it is now. Raises VersionFailure."""
    selector, versions = request.call.selector, catalogue.manifest
    if selector.version is not None:
        return versions.by_selector(selector.version, request.call.timestamp)
    choice = versions.nearest if request.manners.any_major else versions.by_major
    major, tables = selector.major or 0, request.manners.host_tables
    return choice(major, request.call.timestamp, tables, selector.line)


def _limits(settings: Settings) -> RunLimits:
    return RunLimits(
        longest_run=settings.longest_run,
        memory_bytes=settings.instance_memory_bytes,
        cpus=settings.instance_cpus,
        pids=settings.instance_pids,
        ready_timeout=settings.ready_timeout,
        host_connect_timeout=settings.host_connect_timeout,
        end_grace=settings.end_grace,
        output_tail_bytes=settings.output_tail_bytes,
        log_records=settings.log_records,
        reuse=settings.instance_reuse if settings.pool_size else 1,
    )


def _no_trace() -> None:
    """A client's own is what there is."""


def _keeping(settings: Settings) -> RetentionLimits:
    return RetentionLimits(
        keep=timedelta(seconds=settings.retention),
        keep_fetched=timedelta(seconds=settings.refetch_grace),
        runs=settings.retained_runs,
        output_bytes=settings.retained_bytes,
    )

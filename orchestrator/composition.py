"""The composition root: the one place that wires settings, runtime, executions and edge together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
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
from orchestrator.api.wire.rules import RunRules
from orchestrator.clock import MACHINE_CLOCK
from orchestrator.company import Among, Company, begun, joined, places_of
from orchestrator.contracts.catalogue import Catalogue
from orchestrator.contracts.versions import ExecutorVersion, Manifest
from orchestrator.environment import EnvironmentOverlay
from orchestrator.executions.codes import Codes
from orchestrator.executions.costs import EARLY_COSTS, NEWEST_COSTS, Costs
from orchestrator.executions.dialling import NodeDialler
from orchestrator.executions.lead import ALWAYS
from orchestrator.executions.limits import RunLimits
from orchestrator.executions.permits import PermitPool
from orchestrator.executions.request import RunRequest
from orchestrator.executions.retention import Retention, RetentionLimits
from orchestrator.executions.service import Executions
from orchestrator.executions.supervisor import never
from orchestrator.executions.times import DEFAULT_TIMES, Times
from orchestrator.kits import kit_of
from orchestrator.memory import FreeMemory
from orchestrator.metrics.exposition import scraper
from orchestrator.metrics.history import History
from orchestrator.metrics.run_tally import RunTally
from orchestrator.metrics.sources import Sources, StartTime
from orchestrator.modules.kinds import ModuleKind, ModuleSettings, ModuleTimes
from orchestrator.modules.orders import OwnOrders
from orchestrator.modules.service import ModuleService
from orchestrator.node_rules import node_dialler
from orchestrator.provider_checks import CheckOne, provider_checks
from orchestrator.readiness import Check, Readiness
from orchestrator.ready_checks import DEFAULT_READY_TIMES, ReadyTimes, ready_checks
from orchestrator.runtime.pool import PoolRuntime, PoolSettings
from orchestrator.runtime.port import InstanceSpec, Role, Runtime
from orchestrator.settings import Settings
from orchestrator.state_dir import owned_state_dir
from orchestrator.store.codes import DIRECTORY as CODES
from orchestrator.store.codes import CodeFiles
from orchestrator.store.journal import open_journal
from orchestrator.store.port import Journal
from orchestrator.store.sqlite import sqlite_url
from orchestrator.store.writability import Writability
from orchestrator.taking_over import take_over
from orchestrator.tasks import TaskOwner, cancel_and_wait
from orchestrator.traces.traces import Traces, opened_traces

log = structlog.get_logger(__name__)

JOURNAL_FILE = "journal.sqlite"
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
) -> AsyncIterator[Manager]:
    """A manager that runs; on leaving, its runs are ended and everything is closed in reverse order.

    `make_runtime` gets the settings and the manager id; unset: what the settings name. `check_llm` asks a
    provider; unset: the installed clients. `times`: how long its executions wait for
    others; `api_times`: the edge; `ready_times`: its readiness. Not `lasting`: its journal need not survive
    the machine.

    Raises BadTokens, StateDirUnusable, ManifestError, EngineUnreachable, TracesNotInstalled.
    """
    async with AsyncExitStack() as held:
        tokens = None if settings.tokens_file is None else await TokenWatch.open(settings.tokens_file)
        manager_id = await asyncio.to_thread(
            held.enter_context, owned_state_dir(settings.state_dir, settings.manager_id)
        )
        catalogue = await Catalogue.load(settings.manifest, settings.image_pattern)
        memory = await asyncio.to_thread(FreeMemory.now)
        permits = _permits(settings, memory)
        make = make_runtime or named_runtime
        inner = await make(settings, manager_id)
        pool = _pool(settings, inner, permits, memory.pool_room()) if settings.pool_size else None
        runtime: Runtime = pool or inner
        nodes = held.enter_context(closing(await asyncio.to_thread(node_dialler, settings, times)))
        background, environment = TaskOwner("manager"), EnvironmentOverlay(settings.template_variables)
        # Past the pool: a module is never warm, and is none of its figures.
        modules = ModuleService(
            inner,
            module_settings(settings),
            environment.get,
            settings.state_dir,
            module_times(settings),
            filters=kit_of(settings).packet_filters(inner),
        )
        recovered, tally, start = asyncio.Event(), RunTally(), StartTime()
        traces = await _traces(settings, manager_id, held)
        journal, company = await _journal(settings, manager_id, permits, lasting=lasting)
        try:
            executions = _executions(
                settings,
                runtime,
                journal,
                catalogue,
                permits,
                times=times,
                nodes=nodes,
                pool=pool,
                modules=modules,
                tally=tally,
                traces=traces,
                company=company,
                codes=Codes(CodeFiles(settings.state_dir / CODES), inner, background, times),
            )
            among = begun(company, executions, modules, environment, make_runtime=make, recovered=recovered)
            audit = AuditLog(settings.audit_file, background).begun()
            if tokens is not None:
                background.spawn_eternal("tokens", tokens.keep_looking(settings.tokens_interval))
            writability = _watched(journal, settings, background, ready_times.journal_look)
            readiness = _kept_watching(
                ready_checks(
                    recovered, runtime, writability, catalogue, modules, among=among, times=ready_times
                ),
                background,
            )
            sources = Sources(
                executions=executions,
                runtime=runtime,
                modules=modules,
                journal=journal,
                retention=_keeping(settings),
                pool=pool,
                tally=tally,
                not_ready=readiness.reason,
                journal_trouble=lambda: writability.trouble,
                queue_limit=settings.queue_limit,
                queue_bytes=settings.queue_bytes,
                start=start,
                traces=None if traces is None else traces.export,
            )
            context = ApiContext(
                executions=executions,
                recovered=recovered,
                times=api_times,
                background=background,
                rules=_rules(settings),
                catalogue=catalogue,
                environment=environment,
                start_wait=settings.start_wait,
                # One that could never be held would be told for ever to come again.
                max_message_bytes=min(settings.max_message_bytes, settings.body_bytes),
                engine_reachable=lambda: runtime.statistics().engine_reachable,
                no_room=lambda: runtime.statistics().no_room,
                journal_trouble=lambda: writability.trouble,
                readiness=readiness,
                scrape=scraper(sources),
                history=_remembered(sources, background),
                pool=pool,
                modules=modules,
                orders=OwnOrders(modules, environment) if among is None else among.orders,
                access=Access(audit, tokens, settings.operator_socket),
                check_llm=await held.enter_async_context(provider_checks(check_llm)),
                passing=None if among is None else among.passing,
                standing=None if among is None else among.orders,
            )

            async def recover() -> None:
                begun_at = monotonic()
                await _recover(
                    settings,
                    executions,
                    modules,
                    pool,
                    catalogue=catalogue,
                    background=background,
                    among=among,
                )
                start.recovered_after = monotonic() - begun_at
                recovered.set()

            try:
                app = make_app(context, AcceptedHosts(settings.allowed_hosts), _body_limits(settings))
                recovery = asyncio.create_task(recover(), name="recovery")
                try:
                    yield Manager(
                        settings, executions, nodes, modules, runtime, pool, background, app, recovery
                    )
                finally:
                    await cancel_and_wait(recovery)
            finally:
                await _ended(executions, among)
                await audit.flushed(AUDIT_TIME)
        finally:
            await modules.aclose(MODULES_END_TIME)
            await background.aclose()
            await runtime.aclose()
            await journal.aclose()


async def _recover(
    settings: Settings,
    executions: Executions,
    modules: ModuleService,
    pool: PoolRuntime | None,
    *,
    catalogue: Catalogue,
    background: TaskOwner,
    among: Among | None,
) -> None:
    """Take over what an earlier manager left, and do from then on what has to be done again and again."""
    pooled = [_pooled(settings, version) for version in catalogue.manifest.versions]
    await take_over(executions, modules, pool, pooled, await places_of(among))
    if pool is not None:
        _offer_always(pool, catalogue, settings)
        background.spawn_eternal("pool-images", pool.keep_to_images(IMAGE_LOOK))
    every = timedelta(seconds=min(30.0, settings.retention / 4))
    background.spawn_eternal("tend", executions.tend(every))


async def _journal(
    settings: Settings, manager_id: str, permits: PermitPool, *, lasting: bool
) -> tuple[Journal, Company | None]:
    """The journal, and the company of those that share it. Raises BadSecret, StoreFailure, RuntimeFailure."""
    if settings.cluster_address is None:
        return await open_journal(_journal_url(settings), manager_id, lasting=lasting), None
    return await joined(settings, manager_id, permits.statistics().maximum)


async def _traces(settings: Settings, manager_id: str, held: AsyncExitStack) -> Traces | None:
    """Raises TracesNotInstalled."""
    if not settings.traces:
        return None
    url, share, limit = settings.traces_url, settings.traces_share, settings.traces_queue
    return await held.enter_async_context(opened_traces(url, share, limit, manager_id, settings.runtime))


async def _ended(executions: Executions, among: Among | None) -> None:
    await executions.aclose()
    if among is not None:
        await among.aclose(leave=not executions.left_runs)


def _kept_watching(checks: dict[str, Check], background: TaskOwner) -> Readiness:
    readiness = Readiness(checks, MACHINE_CLOCK)
    background.spawn_eternal("readiness", readiness.watch())
    return readiness


def _remembered(sources: Sources, background: TaskOwner) -> History:
    history = History(sources)
    background.spawn_eternal("history", history.keep())
    return history


def _watched(journal: Journal, settings: Settings, background: TaskOwner, interval: float) -> Writability:
    """What tells at any time why runs cannot be written down."""
    writability = Writability(journal, settings.state_dir, settings.disk_floor_bytes)
    background.spawn_eternal("writability", writability.watch(interval))
    return writability


def _body_limits(settings: Settings) -> BodyLimits:
    return BodyLimits(settings.max_body_bytes, settings.body_timeout, BytesHeld(settings.body_bytes))


def _rules(settings: Settings) -> RunRules:
    sync, nondet = settings.permits_per_sync, settings.permits_per_nondet
    return RunRules(
        accept_early=settings.accept_early,
        debug_ceiling=settings.debug_ceiling,
        allowed_arguments=frozenset(settings.allowed_arguments),
        costs=None if sync is None or nondet is None else Costs(sync, nondet),
    )


def _permits(settings: Settings, memory: FreeMemory) -> PermitPool:
    """What one run of each kind takes is the least that the maximum may be set to (manager-api 3.13)."""
    costs = _rules(settings).costs
    least = (costs or EARLY_COSTS).highest
    default = memory.permits(settings.permits_per_gib, (costs or NEWEST_COSTS).highest)
    wanted = settings.permits or default
    if wanted < least:
        log.warning("permits_raised", asked=wanted, permits=least, reason="the dearest run takes that many")
    elif costs is None and wanted < NEWEST_COSTS.highest:
        reason = f"runs of the newest clients take {NEWEST_COSTS.sync} or {NEWEST_COSTS.nondet}"
        log.warning("permits_below_newest", permits=wanted, reason=reason)
    return PermitPool(max(wanted, least), minimum=least)


def _pool(settings: Settings, inner: Runtime, permits: PermitPool, memory_room: int) -> PoolRuntime:
    sizes = PoolSettings(
        size=settings.pool_size,
        largest=settings.pool_max_size,
        concurrency=settings.pool_refill_concurrency,
        max_age=settings.pool_max_age,
        ready_timeout=settings.ready_timeout,
    )
    # More ready instances than runs may hold permits for would never be used at once.
    return PoolRuntime(inner, sizes, room=lambda: min(memory_room, permits.statistics().maximum))


def _offer_always(pool: PoolRuntime, catalogue: Catalogue, settings: Settings) -> None:
    """Keep warm what the manifest has, now and after each reload."""
    catalogue.changed = lambda manifest: _offer(pool, manifest, settings)
    _offer(pool, catalogue.manifest, settings)


def _offer(pool: PoolRuntime, versions: Manifest, settings: Settings) -> None:
    """Warm what runs without a selector get now; the manifest's other images once they are asked for."""
    now = datetime.now(UTC)
    available = {version.number.major for version in versions.versions if version.available_after <= now}
    default = [versions.by_major(major, now) for major in sorted(available)]
    pool.offer(
        [_pooled(settings, version) for version in default],
        [_pooled(settings, version) for version in versions.versions],
    )


def _pooled(settings: Settings, version: ExecutorVersion) -> InstanceSpec:
    return InstanceSpec(
        name="pool",
        role=Role.EXECUTOR,
        image=version.image,
        version=version.name,
        execution_id=None,
        deadline=None,
        memory_bytes=settings.instance_memory_bytes,
        cpus=settings.instance_cpus,
        pids=settings.instance_pids,
        reuse=version.reuse or settings.instance_reuse,
    )


def _journal_url(settings: Settings) -> str:
    if settings.database_url is not None:
        return settings.database_url.get_secret_value()
    return sqlite_url(settings.state_dir / JOURNAL_FILE)


def module_settings(settings: Settings) -> dict[ModuleKind, ModuleSettings]:
    return {
        ModuleKind.LLM: ModuleSettings(
            image=settings.llm_image,
            memory_bytes=settings.llm_memory_bytes,
            cpus=settings.llm_cpus,
            pids=settings.llm_pids,
            default_config=settings.llm_config,
        ),
        ModuleKind.WEB: ModuleSettings(
            image=settings.web_image,
            memory_bytes=settings.web_memory_bytes,
            cpus=settings.web_cpus,
            pids=settings.web_pids,
            tmp_bytes=settings.web_tmp_bytes,
            shm_bytes=settings.web_shm_bytes,
            default_config=settings.web_config,
            own_addresses=tuple(str(network) for network in settings.own_addresses),
        ),
    }


def module_times(settings: Settings) -> ModuleTimes:
    return ModuleTimes(
        ready=settings.module_ready_timeout,
        configure=settings.module_ready_timeout,
        ping_interval=settings.module_ping_interval,
        close=settings.module_usage_timeout,
    )


async def named_runtime(settings: Settings, manager_id: str) -> Runtime:
    """The runtime that the settings name. Raises EngineUnreachable, EngineRefused."""
    return await kit_of(settings).open(settings, manager_id)


def _executions(
    settings: Settings,
    runtime: Runtime,
    journal: Journal,
    catalogue: Catalogue,
    permits: PermitPool,
    *,
    times: Times,
    nodes: NodeDialler,
    pool: PoolRuntime | None,
    modules: ModuleService,
    tally: RunTally,
    traces: Traces | None,
    company: Company | None,
    codes: Codes,
) -> Executions:
    def choose(request: RunRequest) -> ExecutorVersion:
        selector, versions = request.call.selector, catalogue.manifest
        if selector.version is not None:
            return versions.by_selector(selector.version, request.call.timestamp)
        choice = versions.nearest if request.manners.any_major else versions.by_major
        major, tables = selector.major or 0, request.manners.host_tables
        return choice(major, request.call.timestamp, tables, selector.line)

    limits = RunLimits(
        longest_run=settings.longest_run,
        memory_bytes=settings.instance_memory_bytes,
        cpus=settings.instance_cpus,
        pids=settings.instance_pids,
        ready_timeout=settings.ready_timeout,
        host_connect_timeout=settings.host_connect_timeout,
        end_grace=settings.end_grace,
        output_tail_bytes=settings.output_tail_bytes,
        log_records=settings.log_records,
        reuse=settings.instance_reuse if pool is not None else 1,
    )
    return Executions(
        runtime=runtime,
        journal=journal,
        choose_version=choose,
        limits=limits,
        permits=permits,
        retention=Retention(_keeping(settings)),
        queue_limit=settings.queue_limit,
        queue_bytes=settings.queue_bytes,
        nodes=nodes,
        take_back=never if pool is None else pool.take_back,
        modules=modules,
        times=times,
        tell=tally.add if traces is None else traces.after(tally.add),
        new_trace=_no_trace if traces is None else traces.begin,
        ids=None if company is None else company.ids,
        lead=ALWAYS if company is None else company.lease,
        codes=codes,
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

"""`genvm-orchestrator serve`: listen until SIGTERM, then end by policy."""

from __future__ import annotations

import asyncio
import resource
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import structlog
from aiohttp import web

from orchestrator.composition import Manager, manager
from orchestrator.settings import Settings, ShutdownPolicy

log = structlog.get_logger(__name__)

BACKLOG = 4096
"""Clients that come at once are taken when the loop gets to them; beyond it the kernel turns them away."""


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT.

    Then no run is taken any more, but status and DELETE are answered until the last one has ended: within
    `drain_timeout` by itself, within `shutdown_timeout` by order.
    """
    _raise_descriptor_limit()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with manager(settings) as running, listening(running) as where:
        log.info("listening", address=where, runtime=settings.runtime, state_dir=str(settings.state_dir))
        await stop.wait()
        log.info("stopping")
        await end_runs(running)
    log.info("stopped")


def _raise_descriptor_limit() -> None:
    """As many sockets as the system allows: a thousand idle clients are not to keep a node out."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def end_runs(running: Manager) -> None:
    """End the runs by policy; what does not end in time is left to the next start's sweep."""
    settings = running.settings
    detach = settings.shutdown_policy is ShutdownPolicy.DETACH
    running.let_pool_go(leave=detach)
    running.modules.begin_stopping()
    if detach:
        await running.executions.detach()
        await running.modules.detach()
        return
    ending = running.executions.shut_down(drain=settings.drain_timeout, grace=settings.end_grace)
    try:
        async with asyncio.timeout(settings.drain_timeout + settings.shutdown_timeout):
            await ending
            await running.modules.shut_down()
    except TimeoutError:
        log.error("shutdown_timed_out", left=running.executions.statistics().supervised)


@asynccontextmanager
async def listening(running: Manager) -> AsyncIterator[str]:
    """Serve the manager's application; the address served on."""
    settings = running.settings
    runner = web.AppRunner(
        running.app, handler_cancellation=True, access_log=None, shutdown_timeout=1, lingering_time=2.0
    )
    await runner.setup()
    try:
        if settings.socket is not None:
            await asyncio.to_thread(_clear, settings.socket)
            await web.UnixSite(runner, str(settings.socket), backlog=BACKLOG).start()
            yield f"unix://{settings.socket}"
        else:
            await web.TCPSite(runner, settings.host, settings.port, backlog=BACKLOG).start()
            host, port = runner.addresses[0][:2]
            yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()
        if settings.socket is not None:
            await asyncio.to_thread(settings.socket.unlink, missing_ok=True)


def _clear(path: Path) -> None:
    """A stale socket of an earlier manager would refuse the bind."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_socket():
        path.unlink()

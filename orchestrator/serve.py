"""`genvm-orchestrator serve`: listen until SIGTERM, then end by policy."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, ExitStack, aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import structlog
from aiohttp import web

from orchestrator import descriptors
from orchestrator.api.expectations import without_expectations
from orchestrator.composition import Manager, manager
from orchestrator.exposure import FREE_PORT, CannotListen, check_free, guarded_addresses, is_loopback
from orchestrator.heap import give_back_early, give_back_what_starting_took
from orchestrator.leaving import OrderToStop
from orchestrator.listener.acceptor import Acceptor, ConnectionLimits, connections_for
from orchestrator.listener.ports import tcp_sockets
from orchestrator.parent import watched_parent
from orchestrator.settings import Settings, ShutdownPolicy
from orchestrator.tasks import cancel_and_wait, first_done, race
from orchestrator.unix_listener import SocketAccess, bound_socket, check_path

log = structlog.get_logger(__name__)

OPERATORS_ONLY = SocketAccess(mode=0o600)
"""The manager's own user, and root."""

PRIVATE = 0o077
"""The process's umask. What others are to reach (sockets, instances' directories) says so itself."""

RECOVERY_END_TIME = 5.0
"""Seconds that a recovery may go on after the order to stop."""


async def serve(settings: Settings, *, die_with_parent: bool = False) -> None:
    """Serve until SIGTERM or SIGINT, or until the parent has ended where that is asked for.

    Then no run is taken any more, but status and DELETE are answered until the last one has ended: within
    `drain_timeout` by itself, within `shutdown_timeout` by order. A second SIGINT ends the process at once.

    Raises CannotListen, and what `manager` raises.
    """
    os.umask(PRIVATE)
    descriptors.raise_limit()
    give_back_early()
    # Before the state directory is touched: what may not listen changes nothing.
    await asyncio.to_thread(check_listener, settings)
    order = OrderToStop(settings.drain_timeout + settings.shutdown_timeout)
    order.listen()
    await _serve(settings, order, die_with_parent=die_with_parent)
    log.info("stopped")
    order.obeyed()


async def _serve(settings: Settings, order: OrderToStop, *, die_with_parent: bool) -> None:
    async with AsyncExitStack() as until:
        if die_with_parent:
            await until.enter_async_context(watched_parent(order.give))
        running = await _opened(
            until.enter_async_context(manager(settings, patience=order.patience)), order.given
        )
        if running is None:
            return
        where = await until.enter_async_context(listening(running))
        give_back_what_starting_took()
        log.info("listening", address=where, runtime=settings.runtime, state_dir=str(settings.state_dir))
        await _order_to_stop(running, order)
        log.info("stopping")
        await end_runs(running, order.left)


async def _opened(opening: Coroutine[Any, Any, Manager], stop: asyncio.Event) -> Manager | None:
    """The manager, or none where the order to stop comes first: what it had opened by then is closed."""
    ordered = asyncio.create_task(stop.wait(), name="stop")
    try:
        return await race(opening, ordered)
    finally:
        await cancel_and_wait(ordered)


async def _order_to_stop(running: Manager, order: OrderToStop) -> None:
    """Wait for it. Raises what keeps this manager from taking over an earlier one's runs.

    One that is still taking over gets on with it for a moment: what it knows can be ended in order.
    """
    ordered = asyncio.create_task(order.given.wait(), name="stop")
    try:
        await first_done(ordered, running.recovery)
        if not ordered.done():
            running.recovery.result()
            await ordered
        await asyncio.wait([running.recovery], timeout=min(RECOVERY_END_TIME, order.left / 2))
        await cancel_and_wait(running.recovery)
    finally:
        await cancel_and_wait(ordered)


async def end_runs(running: Manager, limit: float | None = None) -> None:
    """End the runs by policy, in so many seconds where there is a limit.

    What does not end in time is left to the next start's sweep.
    """
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
        async with asyncio.timeout(limit):
            await ending
            await running.modules.shut_down()
    except TimeoutError:
        log.error("shutdown_timed_out", left=running.executions.statistics().supervised)


@asynccontextmanager
async def listening(running: Manager) -> AsyncIterator[str]:
    """Serve the manager's application; the address served on. Raises CannotListen."""
    settings = running.settings
    limits = ConnectionLimits(
        connections_for(settings.max_connections), settings.head_timeout, settings.idle_timeout
    )
    async with served(running.app, limits) as acceptor, AsyncExitStack() as sites:
        if settings.socket is None:
            where = await open_port(acceptor, settings)
            running.nodes.networks.own |= acceptor.ports
        else:
            site = unix_site(acceptor, settings.socket, socket_access(settings))
            where = await sites.enter_async_context(site)
        if settings.operator_socket is not None:
            # The same application: it tells by the socket where a request has come in.
            operators = await sites.enter_async_context(aclosing(acceptor.beside(limits.of_operators())))
            site = unix_site(operators, settings.operator_socket, OPERATORS_ONLY)
            await sites.enter_async_context(site)
        yield where


@asynccontextmanager
async def served(app: web.Application, limits: ConnectionLimits | None = None) -> AsyncIterator[Acceptor]:
    """`app`, ready for listeners; its requests and connections end with it."""
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=1)
    await runner.setup()
    assert runner.server is not None
    runner.server.request_handler = without_expectations(runner.server.request_handler)
    acceptor = Acceptor(runner.server, limits or ConnectionLimits(connections_for(None)))
    try:
        yield acceptor
    finally:
        await acceptor.aclose()
        await runner.cleanup()


@asynccontextmanager
async def unix_site(acceptor: Acceptor, path: Path, access: SocketAccess) -> AsyncIterator[str]:
    """Accept on a unix socket as well; its address. The socket goes with it."""
    with ExitStack() as held:
        bound = await asyncio.to_thread(held.enter_context, bound_socket(path, access))
        acceptor.listen(bound)
        try:
            yield f"unix://{path}"
        finally:
            acceptor.forget(bound)
            await asyncio.to_thread(held.close)


def socket_access(settings: Settings) -> SocketAccess:
    return SocketAccess(int(settings.socket_mode, 8), settings.socket_group)


async def open_port(acceptor: Acceptor, settings: Settings) -> str:
    """Accept on the settings' host and port; the address."""
    addresses = await asyncio.to_thread(guarded_addresses, settings)
    try:
        bound = tcp_sockets(addresses, settings.port)
    except OSError as error:
        raise CannotListen(
            f"cannot listen on {settings.host} port {settings.port}: {error.strerror}; {FREE_PORT}"
        ) from error
    if settings.tokens_file is None and not all(map(is_loopback, addresses)):
        log.warning("listening_without_tokens", addresses=addresses)
    for listener in bound:
        acceptor.listen(listener)
    host, port = bound[0].getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def check_listener(settings: Settings) -> None:
    """Whether what the settings name may be listened on. Blocking. Raises CannotListen."""
    if settings.socket is None:
        check_free(settings.host, guarded_addresses(settings), settings.port)
    else:
        check_path(settings.socket)
    if settings.operator_socket is not None:
        check_path(settings.operator_socket)

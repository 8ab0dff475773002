"""Looking at a node's socket, and connecting to it exactly when a run is handed over.

Resolvers and file systems may take their time: they are asked on threads of their own, a few for each kind,
so that a slow one holds up neither the loop nor the journal.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import TypeVar

from orchestrator.clock import MACHINE_CLOCK, Ticks, sleep
from orchestrator.clock import timeout as cut_off
from orchestrator.descriptors import used_up
from orchestrator.executions.claims import Admit, Place, TcpPlace, UnixPlace, anybody
from orchestrator.executions.hosts import (
    HostAddress,
    HostFailure,
    HostUnreachable,
    TcpHost,
    UnixHost,
    parse_host,
)
from orchestrator.executions.node_files import MayWait, NodeFiles
from orchestrator.executions.node_names import NodeNames
from orchestrator.executions.node_networks import Address, Listener, NetworkRules, literal, unrefused
from orchestrator.executions.node_seen import NodeSeen
from orchestrator.executions.node_sockets import HeldSocket, SocketRules
from orchestrator.executions.times import DEFAULT_TIMES, Times
from orchestrator.runtime.port import NoDescriptors, Places

T = TypeVar("T")

GONE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ECONNREFUSED})
LOOKING_THREADS = 4


class NodeDialler:
    """Connects to what `sockets` and `networks` let be a node's, and to nothing else."""

    def __init__(
        self,
        sockets: SocketRules,
        networks: NetworkRules,
        prompt: NodeFiles | None = None,
        times: Times = DEFAULT_TIMES,
        clock: Ticks = MACHINE_CLOCK,
    ) -> None:
        """`prompt`: files that may be asked about on the loop; without it, a thread asks about all."""
        self._times = times
        self._clock = clock
        self.networks = networks
        self._sockets = sockets
        self._prompt = prompt
        self._looking = ThreadPoolExecutor(LOOKING_THREADS, thread_name_prefix="node-sockets")
        self._names = NodeNames(times, clock)

    def close(self) -> None:
        self._looking.shutdown(wait=False, cancel_futures=True)
        self._names.close()

    def others_listen_at(self, places: frozenset[Listener], sockets: frozenset[str]) -> None:
        """Where other managers do by now; `sockets`: paths without links."""
        self.networks.others = places
        self._sockets = replace(self._sockets, others=sockets)

    async def look(self, host: str, admit: Admit = anybody, now: float = 0.0) -> NodeSeen:
        """What is at a node's address `now` by the caller's clock; the caller lets go what is held.

        Never connects; `admit` may refuse what is found. A name that nobody resolves soon is let pass: it is
        judged when it is dialled, and by then its node may be there.

        Raises BadHostAddress, HostRefused, HostUnreachable.
        """
        address = parse_host(host)
        if isinstance(address, UnixHost):
            with suppress(MayWait):
                if self._prompt is not None:
                    return self._look_at_once(address, admit, self._prompt, now)
            return await self._in_time(lambda: self._look(address, admit, now), address, NodeSeen.close)
        spelled = literal(address.name)
        if spelled is not None:
            self.networks.judge(address, spelled)
            admit(self._tcp_place(spelled, address.port))
            return NodeSeen(there=True, at=now)
        found = self.networks.allowed(address, await self._names.look(address.name))
        unrefused(found, lambda target: admit(self._tcp_place(target, address.port)))
        return NodeSeen(there=True, at=now)

    async def connect(
        self,
        host: str,
        timeout: float,
        hello: bytes = b"",
        admit: Admit = anybody,
        seen: NodeSeen | None = None,
    ) -> socket.socket:
        """One connection to the node, in blocking mode, owned by the caller; `hello` is said on it.

        `admit` is asked before, about what is then dialled; not again about what it let be `seen`.

        `timeout` is in seconds. Raises BadHostAddress, HostRefused, HostUnreachable; NoDescriptors when that
        is nothing the node has to do with, and no connection has been made.
        """
        address = parse_host(host)
        try:
            async with cut_off(self._clock, timeout):
                if isinstance(address, UnixHost):
                    held = None if seen is None else self._connect_held(seen)
                    connection = held or await self._connect_unix(address, admit)
                else:
                    connection = await self._connect_tcp(address, admit)
                return await _greeted(connection, hello)
        except TimeoutError:
            raise HostUnreachable(f"host {address} did not accept within {timeout:g} s") from None
        except (OSError, UnicodeError) as error:
            if used_up(error):
                raise NoDescriptors(f"no file descriptor is left to connect to {address}") from error
            raise HostUnreachable(f"host {address}: {getattr(error, 'strerror', None) or error}") from error

    async def places(
        self, host: str, timeout: float, hello: bytes = b"", admit: Admit = anybody
    ) -> Places | None:
        """Where somebody else may dial the node, once and instead of `connect`; null for a socket file.

        Looked up and judged here, so that what was judged is what is dialled. Raises like `connect`.
        """
        address = parse_host(host)
        if isinstance(address, UnixHost):
            return None
        try:
            async with cut_off(self._clock, timeout):
                targets = self.networks.allowed(address, await self._addresses(address))
        except TimeoutError:
            raise HostUnreachable(f"host {address} was not found within {timeout:g} s") from None
        except (OSError, UnicodeError) as error:
            raise HostUnreachable(f"host {address}: {getattr(error, 'strerror', None) or error}") from error
        for target in targets:
            admit(self._tcp_place(target, address.port))
        return Places(tuple((str(target), address.port) for target in targets), hello, timeout)

    async def wake(self, host: str, admit: Admit = anybody) -> None:
        """Connect and close at once: a node waiting in accept() sees end of stream (manager-api W3).

        A listener that is gone is the good case: somebody connected before.
        """
        with suppress(HostFailure, NoDescriptors):
            (await self.connect(host, self._times.wake, admit=admit)).close()

    def _look_at_once(self, address: UnixHost, admit: Admit, files: NodeFiles, now: float) -> NodeSeen:
        """Without a thread. Raises MayWait, also for what is missing: where it would be takes more looks."""
        with ExitStack() as undo:
            try:
                held = undo.enter_context(self._sockets.hold(address.path, files))
            except OSError as error:
                raise MayWait from error
            admit(_unix_place(held))
            there = _is_listened_on(held.address)
            if there:
                undo.pop_all()
            return NodeSeen(there=there, at=now, held=held if there else None)

    def _look(self, address: UnixHost, admit: Admit, now: float) -> NodeSeen:
        try:
            with self._sockets.hold(address.path) as held:
                admit(_unix_place(held))
                return NodeSeen(there=_is_listened_on(held.address), at=now)
        except OSError as error:
            self._sockets.judge_missing(address.path)
            return NodeSeen(there=error.errno not in GONE, at=now)

    @staticmethod
    def _connect_held(seen: NodeSeen) -> socket.socket | None:
        """To the very socket that was judged; None when that is not to be had (any more)."""
        if seen.held is None:
            return None
        connection = _new_socket(socket.AF_UNIX)
        try:
            connection.connect(seen.held.address)
        except OSError:
            connection.close()
            return None
        return connection

    async def _connect_unix(self, address: UnixHost, admit: Admit) -> socket.socket:
        while True:
            connection = await self._on_thread(lambda: self._dial_unix(address, admit), _close)
            if connection is not None:
                return connection
            await sleep(self._clock, self._times.full_queue)

    def _dial_unix(self, address: UnixHost, admit: Admit) -> socket.socket | None:
        """None when the node's queue is full: whoever waits for it waits on the loop, not on a thread."""
        with self._sockets.hold(address.path) as held:
            admit(_unix_place(held))
            connection = _new_socket(socket.AF_UNIX)
            try:
                connection.connect(held.address)
            except BlockingIOError:
                connection.close()
                return None
            except BaseException:
                connection.close()
                raise
            return connection

    async def _connect_tcp(self, address: TcpHost, admit: Admit) -> socket.socket:
        failure: OSError = OSError(f"no address for {address.name}")
        for target in self.networks.allowed(address, await self._addresses(address)):
            admit(self._tcp_place(target, address.port))
            try:
                return await _dial_tcp(target, address.port)
            except OSError as error:
                failure = error
        raise failure

    async def _addresses(self, address: TcpHost) -> list[Address]:
        spelled = literal(address.name)
        return await self._names.resolve(address.name) if spelled is None else [spelled]

    def _tcp_place(self, address: Address, port: int) -> Place:
        return TcpPlace("" if self.networks.is_local(address) else str(address), port)

    async def _in_time(self, work: Callable[[], T], address: HostAddress, undo: Callable[[T], None]) -> T:
        try:
            async with cut_off(self._clock, self._times.look):
                return await self._on_thread(work, undo)
        except TimeoutError:
            raise HostUnreachable(
                f"host {address}: its file system did not answer within {self._times.look:g} s"
            ) from None

    async def _on_thread(self, work: Callable[[], T], undo: Callable[[T], None]) -> T:
        """What `work` returns. Nobody waits for it after a cancellation: what it makes then is undone."""
        future = self._looking.submit(work)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            future.add_done_callback(lambda done: _undo(done, undo))
            raise


def _unix_place(held: HeldSocket) -> Place:
    return UnixPlace(held.device, held.inode, held.place)


def _undo(done: Future[T], undo: Callable[[T], None]) -> None:
    if not done.cancelled() and done.exception() is None:
        undo(done.result())


def _close(connection: socket.socket | None) -> None:
    if connection is not None:
        connection.close()


def _is_listened_on(path: str) -> bool:
    """A datagram socket cannot connect to a listener, but learns of it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except OSError as error:
            return error.errno not in GONE
    return True


def _new_socket(family: int) -> socket.socket:
    connection = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    connection.setblocking(False)
    return connection


async def _dial_tcp(target: Address, port: int) -> socket.socket:
    connection = _new_socket(socket.AF_INET if target.version == 4 else socket.AF_INET6)
    try:
        await asyncio.get_running_loop().sock_connect(connection, (str(target), port))
        if connection.getsockname() == connection.getpeername():
            # A port that nobody listens at can be the connection's own: it would talk to itself.
            raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        connection.close()
        raise
    return connection


async def _greeted(connection: socket.socket, hello: bytes) -> socket.socket:
    try:
        if hello:
            await asyncio.get_running_loop().sock_sendall(connection, hello)
        connection.setblocking(True)
    except BaseException:
        connection.close()
        raise
    return connection

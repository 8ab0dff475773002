"""What a job, or a session, is given: sockets, made here or spliced here with who comes."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from genvm_connector.guests import WAIT_S, Guests
from genvm_connector.link import Link, Unproved, call, keep_alive
from genvm_wire.frames import FrameError
from genvm_wire.hello import Purpose
from genvm_wire.inlet import Inlet
from genvm_wire.orders import Address, Dial, Direct, Expect, LetIn, Relayed, ThroughConnector, Way
from genvm_wire.splicing import splice


class NoWay(Exception):
    """Somebody cannot be reached; the text says who and why. `alone`: nobody was, before that."""

    alone = False


class Ways:
    """Owns the splices, as tasks of `group`. `inlet` listens beside the program; null: it lets nobody in."""

    def __init__(self, guests: Guests, group: asyncio.TaskGroup, inlet: socket.socket | None = None) -> None:
        self._guests = guests
        self._group = group
        self._inlet = inlet
        self.spliced = 0
        """How many are under way."""

    async def dialled(self, dial: Dial) -> list[socket.socket]:
        """In the order's order, the caller's from here on. Each is dialled once. Raises NoWay."""
        made: list[socket.socket] = []
        try:
            for name, way in dial.ways:
                made.append(await self._one(name, way))
        except BaseException as failure:
            if isinstance(failure, NoWay):
                failure.alone = not made
            for sock in made:
                sock.close()
            raise
        return made

    def expected(self, order: Expect) -> socket.socket:
        """One end now; the other is spliced with who comes and has the ticket, or closed after a while."""
        self._guests.expect(order.number, order.ticket)
        near, far = socket.socketpair()
        self._spawn(self._host(near, order.number))
        return far

    async def _host(self, near: socket.socket, number: int) -> None:
        try:
            link = await self._guests.guest(number, WAIT_S)
        except TimeoutError:
            near.close()
            return
        await self._splice(near, link)

    async def _one(self, name: str, way: Way) -> socket.socket:
        try:
            async with asyncio.timeout(way.milliseconds / 1000):
                match way:
                    case Direct(addresses, _, hello):
                        return await connected(addresses, hello)
                    case Relayed(number):
                        return self._spliced(await self._guests.guest(number, way.milliseconds / 1000))
                    case ThroughConnector(address, number, ticket):
                        return self._spliced(await call(address, Purpose.SESSION, number, ticket))
                    case LetIn():
                        return self._line_of_inlet(name)
        except TimeoutError:
            raise NoWay(f"{name}{_where(way)} did not accept within {way.milliseconds / 1000:g} s") from None
        except (OSError, EOFError, FrameError, Unproved) as error:
            raise NoWay(f"{name}{_where(way)}: {_said(error)}") from error

    def _line_of_inlet(self, name: str) -> socket.socket:
        """Of the only one there is: it lets one connection in. Raises NoWay."""
        listener, self._inlet = self._inlet, None
        if listener is None:
            raise NoWay(f"{name}: a program has been let in already")
        return Inlet(listener).line

    def _spliced(self, link: Link) -> socket.socket:
        near, far = socket.socketpair()
        self._spawn(self._splice(near, link))
        return far

    async def _splice(self, near: socket.socket, link: Link) -> None:
        self.spliced += 1
        try:
            await splice(near, link.reader, link.writer)
        except OSError:
            pass  # an end like any other
        except Exception as fault:  # the boundary: it would end all connections of the Pod
            sys.stderr.write(f"connector: a connection ended by {type(fault).__name__}\n")
        finally:
            self.spliced -= 1

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self._group.create_task(work)


async def connected(addresses: tuple[Address, ...], hello: bytes) -> socket.socket:
    """To the first that accepts, in blocking mode. Raises OSError."""
    failure = OSError("no address")
    for address in addresses:
        try:
            return await _greeted(address, hello)
        except OSError as error:
            failure = error
    raise failure


async def _greeted(address: Address, hello: bytes) -> socket.socket:
    loop = asyncio.get_running_loop()
    sock = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        await loop.sock_connect(sock, address)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with suppress(OSError):
            keep_alive(sock)
        if hello:
            await loop.sock_sendall(sock, hello)
        sock.setblocking(True)
    except BaseException:
        sock.close()
        raise
    return sock


def _said(error: Exception) -> str:
    """The loop words a refused connection by itself; the kernel's number says it plainer."""
    number = error.errno if isinstance(error, OSError) else None
    return os.strerror(number) if number else str(error)


def _where(way: Way) -> str:
    match way:
        case Direct(addresses):
            return " " + ", ".join(f"{host}:{port}" for host, port in addresses)
        case ThroughConnector((host, port)):
            return f" {host}:{port}"
        case _:
            return ""

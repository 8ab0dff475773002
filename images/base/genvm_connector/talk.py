"""Between the newest manager and the newest connection of the program.

When either ends, so does the other: the program comes again by itself, to whichever manager dials next.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress

from genvm_connector.link import Link
from genvm_connector.program import Attached, Channel, Program
from genvm_connector.ways import NoWay, Ways
from genvm_wire.frames import (
    HEADER_SIZE,
    LIMIT_FROM_MANAGER,
    FrameError,
    body_length,
    encode_frame,
)
from genvm_wire.instance_messages import UNREACHED, UPSTREAM, Exit, Failed
from genvm_wire.orders import Dial, Expect, Order, Watch, decode_order, order_length

READ_SIZE = 64 * 1024


class Talk:
    """`watch` is told what managers say of the deadline."""

    def __init__(self, program: Program, ways: Ways, watch: Callable[[int], None]) -> None:
        self._program = program
        self._ways = ways
        self._watch = watch
        self._current: asyncio.Future[None] | None = None
        self._turn = asyncio.Lock()
        """Held while the program's connections are taken: one that was told to end may not have yet."""
        self.alone_since: float | None = asyncio.get_running_loop().time()
        """Since when there has been no manager; null: there is one."""

    async def with_manager(self, link: Link) -> None:
        """Take over from an earlier manager; return when this one is gone. Owns the link."""
        mine = asyncio.ensure_future(self._converse(link))
        self._replace(mine)
        self.alone_since = None
        try:
            await asyncio.wait([mine])
        finally:
            await _ended(mine)
            link.close()
            if self._current is mine:
                self.alone_since = asyncio.get_running_loop().time()

    def _replace(self, mine: asyncio.Future[None]) -> None:
        if self._current is not None:
            self._current.cancel()
        self._current = mine

    async def _converse(self, link: Link) -> None:
        async with self._turn:
            await _Conversation(link, self._program, self._ways, self._watch).until_its_end()

    async def dismiss(self, seconds: float) -> None:
        """Send the program away, if it comes within so many seconds and before a manager does."""
        mine = asyncio.ensure_future(self._dismiss())
        self._replace(mine)
        try:
            await asyncio.wait([mine], timeout=seconds)
        finally:
            await _ended(mine)

    async def _dismiss(self) -> None:
        async with self._turn:
            channel = await self._program.newest()
            try:
                with suppress(OSError, Attached):
                    await channel.write(encode_frame(Exit().as_map()))
                    while await channel.read():
                        pass
            finally:
                channel.close()


async def _ended(task: asyncio.Future[None]) -> None:
    """Cancelled once, and waited for: it closes what it holds."""
    if not task.done():
        task.cancel()
        await asyncio.wait([task])


class _Conversation:
    def __init__(self, link: Link, program: Program, ways: Ways, watch: Callable[[int], None]) -> None:
        self._link = link
        self._program = program
        self._ways = ways
        self._watch = watch
        self._channel: asyncio.Future[Channel] = asyncio.get_running_loop().create_future()
        self._attached: list[socket.socket] = []
        self._refused = False
        """The next frame is a job whose run has failed already."""

    async def until_its_end(self) -> None:
        tasks = [asyncio.ensure_future(work) for work in (self._down(), self._up())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            try:
                await asyncio.wait(tasks)
            finally:
                self._close()

    def _close(self) -> None:
        if self._channel.done() and not self._channel.cancelled():
            self._channel.result().close()
        for sock in self._attached:
            sock.close()

    async def _up(self) -> None:
        """From the program to the manager, unread; ends with the program's connection, or at a newer one."""
        channel = await self._program.newest()
        self._channel.set_result(channel)
        copying = asyncio.ensure_future(self._copy(channel))
        newer = asyncio.ensure_future(self._program.another())
        try:
            await asyncio.wait([copying, newer], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (copying, newer):
                task.cancel()
            await asyncio.wait([copying, newer])

    async def _copy(self, channel: Channel) -> None:
        with suppress(OSError):
            try:
                while data := await channel.read():
                    await self._link.send(data)
            except Attached:
                # A kind that no manager knows: it says itself that the protocol is broken.
                await self._link.send(encode_frame({"kind": "descriptors"}))
            self._link.writer.close()
            async with asyncio.timeout(5):
                await self._link.writer.wait_closed()

    async def _down(self) -> None:
        """From the manager to the program, unread but for orders."""
        with suppress(OSError, EOFError, FrameError):
            while True:
                header = await self._link.reader.readexactly(HEADER_SIZE)
                if (length := order_length(header)) is not None:
                    await self._obey(decode_order(await self._link.reader.readexactly(length)))
                else:
                    await self._pass_on(header, body_length(header, LIMIT_FROM_MANAGER))

    async def _obey(self, order: Order) -> None:
        match order:
            case Watch(milliseconds):
                self._watch(milliseconds)
            case Expect():
                self._attached.append(self._ways.expected(order))
            case Dial():
                try:
                    self._attached += await self._ways.dialled(order)
                except NoWay as failure:
                    self._refused = True
                    # The node is the first of them all.
                    which = UNREACHED if failure.alone else UPSTREAM
                    await self._link.say(Failed(order.run, which, str(failure)))

    async def _pass_on(self, header: bytes, length: int) -> None:
        if self._refused:
            self._refused = False
            await self._skip(length)
            return
        channel = await asyncio.shield(self._channel)
        await channel.write(header, [sock.fileno() for sock in self._attached])
        while self._attached:
            self._attached.pop().close()
        while length:
            data = await self._link.reader.read(min(READ_SIZE, length))
            if not data:
                raise EOFError
            await channel.write(data)
            length -= len(data)

    async def _skip(self, length: int) -> None:
        while length:
            if not (data := await self._link.reader.read(min(READ_SIZE, length))):
                raise EOFError
            length -= len(data)

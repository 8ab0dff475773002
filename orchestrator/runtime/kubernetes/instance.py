"""One Pod as an `Instance`: its connector is dialled, and dialled again whenever the connection is gone."""

from __future__ import annotations

import asyncio
import secrets
import ssl
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

import structlog

from genvm_wire.hello import Purpose
from genvm_wire.instance_messages import INLET, Exit, Failed, from_instance
from genvm_wire.module_messages import OpenSession
from genvm_wire.orders import NEVER, Dial, Direct, Expect, LetIn, Watch
from orchestrator.runtime.conversation import Conversation, wants_inlet, with_inlet
from orchestrator.runtime.kubernetes.dialling import dial
from orchestrator.runtime.kubernetes.own_pods import OwnPod
from orchestrator.runtime.kubernetes.standing import Refused
from orchestrator.runtime.kubernetes.stream_control import StreamControl
from orchestrator.runtime.kubernetes.ways import Networks, SessionLine, Ways
from orchestrator.runtime.meeting import describe
from orchestrator.runtime.port import (
    ChannelClosed,
    Control,
    InstanceDied,
    InstanceExit,
    InstanceSpec,
    Line,
    MakeJob,
)
from orchestrator.tasks import TaskOwner, cancel_and_wait

log = structlog.get_logger(__name__)

DESTROYED = InstanceExit(None, 9, False, "destroyed while it ran")
_TRIED = "what is not for it"
LISTENS_AFTER_S = 0.1
"""A connector needs that long from its start; its executor needs as much again, after it."""
LAST_WORDS_S = 2.0
"""After a Pod's end, for what is still on its way; a node that is gone closes no connection."""

Mark = Callable[["PodInstance", "int | None", "float | None"], Coroutine[Any, Any, None]]


class PodInstance(Conversation):
    """Made by `KubernetesRuntime`. `mark` notes on the Pod what run it has, and its last line."""

    def __init__(
        self,
        own: OwnPod,
        *,
        port: int,
        tls: ssl.SSLContext,
        direct: Networks,
        tasks: TaskOwner,
        mark: Mark,
    ) -> None:
        super().__init__(self._dialled, own.spec.role)
        self.own = own
        self._port = port
        self._tls = tls
        self._direct = direct
        self._tasks = tasks
        self._mark = mark
        self._gone: asyncio.Future[InstanceExit] = asyncio.get_running_loop().create_future()
        self._link: StreamControl | None = None
        self._until: float | None = None
        self._told = False
        self._run: int | None = None
        self._ahead: asyncio.Task[StreamControl] | None = None
        self._way = own.way
        self._minding = tasks.spawn(f"mind {own.spec.name}", self._mind())

    @property
    def spec(self) -> InstanceSpec:
        return self.own.spec

    @property
    def engine_id(self) -> str:
        return self.own.engine_id

    async def _mind(self) -> None:
        """Nobody waits for a word of a Pod that has ended."""
        await self.own.wait_exit()
        if not isinstance(self.own.life.end, Refused):
            await asyncio.sleep(LAST_WORDS_S)
        self.hang_up()

    def dial_ahead(self) -> None:
        """Begin with the first connection before it is asked for, when its connector may be listening."""
        self._ahead = self._tasks.spawn(f"dial {self.spec.name}", self._dial_control(after=LISTENS_AFTER_S))

    async def _dial_control(self, after: float = 0.0) -> StreamControl:
        return await self._call(Purpose.CONTROL, None, after=after)

    async def _dialled(self) -> Control:
        """A new connection to its connector. Raises InstanceDied, EngineRefused, ProtocolBroken."""
        ahead, self._ahead = self._ahead, None
        control = await self._while_it_lives(ahead or asyncio.ensure_future(self._dial_control()))
        self._link = control
        if self._told:
            control.order(Watch(self._milliseconds()))
        return control

    async def _call(
        self,
        purpose: Purpose,
        number: int | None,
        *,
        key: str | None = None,
        after: float = 0.0,
    ) -> StreamControl:
        address = await self.own.address()
        # The address is known already: of a Pod that ends meanwhile somebody else tells.
        await asyncio.sleep(after)
        return await dial(
            address, self._port, key or self.own.token, self._tls, purpose=purpose, number=number
        )

    async def _while_it_lives(self, task: asyncio.Future[StreamControl]) -> StreamControl:
        """Raises InstanceDied when the Pod ends, or is destroyed, before; the work is cancelled then."""
        racers: list[asyncio.Future[Any]] = [task, self.own.life.ending, self._gone]
        try:
            await asyncio.wait(racers, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            ended = self._exit()
            raise InstanceDied(
                f"instance {self.spec.name} ended before it could be talked to: {describe(ended)}", ended
            )
        except BaseException:
            task.add_done_callback(_hung_up)
            raise
        finally:
            if not task.done():
                await cancel_and_wait(task)

    async def give(self, job: MakeJob, host: Line, modules: Mapping[str, Line]) -> None:
        """See `Instance.give`. What the connector dials it dials when the job is there already."""
        ways = Ways(self._direct, self._call_for_way, self._tasks)
        for name, line in (("host", host), *modules.items()):
            await ways.add(name, line)
        message = await job()
        if wants_inlet(self._greeting, message):
            message = with_inlet(message)
            ways.made.append((INLET, LetIn()))
        link = self._connection()
        self._run = message.run
        link.order(Dial(message.run, tuple(ways.made)))
        await link.send(message)
        self._way = ways.way
        self._note()

    async def reaches(self, address: tuple[str, int], milliseconds: int) -> bool:
        """Whether its Pod gets a connection to an address that is not for it. Only before it has a job.

        Nothing is passed on to its program: the second of the two ways fails if the first does not. Raises
        ChannelClosed, ProtocolBroken.
        """
        link = self._connection()
        nowhere = Direct((("127.0.0.1", 1),), milliseconds)
        link.order(Dial(0, ((_TRIED, Direct((address,), milliseconds)), ("nowhere", nowhere))))
        await link.send(Exit())
        said = await link.receive(from_instance)
        return not (isinstance(said, Failed) and said.message.startswith(_TRIED))

    async def _call_for_way(self, purpose: Purpose, number: int | None) -> StreamControl:
        return await self._while_it_lives(asyncio.ensure_future(self._call(purpose, number)))

    async def open(self, session: OpenSession) -> Line:
        """See `Instance.open`. Whoever uses the way meets the module's connector."""
        link = self._connection()
        number, ticket = secrets.randbits(62), secrets.token_hex(32)
        link.order(Expect(number, ticket))
        await link.send(session)
        call = partial(self._call, key=ticket)
        return SessionLine((await self.own.address(), self._port), number, ticket, call, self._tasks)

    def _connection(self) -> StreamControl:
        if self._link is None:
            raise ChannelClosed("the Pod has not been dialled")
        return self._link

    def end_within(self, seconds: float | None) -> None:
        """See `Instance.end_within`. The kubelet's line is drawn behind it when the job is given."""
        self._told = True
        self._until = None if seconds is None else asyncio.get_running_loop().time() + seconds
        if self._link is not None:
            with suppress(ChannelClosed):  # the next connection begins with it
                self._link.order(Watch(self._milliseconds()))

    def _milliseconds(self) -> int:
        if self._until is None:
            return NEVER
        return max(0, int((self._until - asyncio.get_running_loop().time()) * 1000))

    def _note(self) -> None:
        left: float | None = None
        # A Pod that was made for its run has the line already, and it can only ever be lowered.
        if self._until is not None and self.spec.reuse == 1 and self.spec.deadline is None:
            left = self._until - asyncio.get_running_loop().time()
        self._tasks.spawn(f"mark {self.spec.name}", self._mark(self, self._run, left))

    async def wait_exit(self) -> InstanceExit:
        await asyncio.wait([self.own.life.ending, self._gone], return_when=asyncio.FIRST_COMPLETED)
        return self._exit()

    def _exit(self) -> InstanceExit:
        """Once it is known, or it is destroyed."""
        ending = self.own.life.ending
        return (ending if ending.done() else self._gone).result()

    async def kill(self) -> None:
        """SIGTERM, and SIGKILL a second later. Raises EngineUnreachable, EngineRefused."""
        await self.own.kill()

    def let_go(self) -> None:
        """Talk to it no more: nothing of this object goes on, and the Pod is left as it is. Idempotent."""
        self.hang_up()
        self._minding.cancel()
        if self._ahead is not None:
            self._ahead.cancel()
            self._ahead.add_done_callback(_hung_up)

    async def destroy(self) -> None:
        """Raises EngineUnreachable or EngineRefused when it could not be deleted now; it will be later."""
        self.let_go()
        try:
            await asyncio.shield(self._tasks.spawn(f"destroy {self.spec.name}", self.own.destroy()))
        finally:
            if not self._gone.done():
                self._gone.set_result(DESTROYED)


def _hung_up(dialled: asyncio.Future[StreamControl]) -> None:
    """Of a connection that nobody takes any more, though it may be there already."""
    if not dialled.cancelled() and dialled.exception() is None:
        dialled.result().close()

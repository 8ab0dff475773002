"""One client's requests and what they are answered; knows frames, not the socket (manager-api 4.1, 4.4)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

import structlog

from genvm_wire.calldata import Encodable, Value
from orchestrator.access.caller import Caller
from orchestrator.access.rates import Allowance, whole_seconds
from orchestrator.api.body import WrongShape
from orchestrator.api.errors import answer_to
from orchestrator.api.large_answers import VERY_LARGE, LargeAnswers
from orchestrator.api.quotas import submitted
from orchestrator.api.run_status import weight
from orchestrator.api.socket import frames, payloads
from orchestrator.api.socket.events import lost, never_ran, progress, terminal
from orchestrator.api.socket.frames import BadFrame, ErrorCode, Method, Request, RequestFailed
from orchestrator.api.socket.outgoing import News, Outgoing
from orchestrator.api.socket.relay import Away, Relay
from orchestrator.api.socket.subscriptions import EventLost, LastWords, Subscriptions
from orchestrator.api.turned_away import too_many_text
from orchestrator.api.wire.generation_c import run_request_from_c
from orchestrator.api.wire.rules import RunRules
from orchestrator.aside import aside
from orchestrator.executions.final import FinalStatus
from orchestrator.executions.hosts import BadHostAddress
from orchestrator.executions.refusals import NotEnded, RunElsewhere, UnknownRun
from orchestrator.executions.run import Run
from orchestrator.executions.service import Executions
from orchestrator.views.artifacts import LONGEST_PIECE, artifact
from orchestrator.views.visible import VisibleRuns

log = structlog.get_logger(__name__)

DEFECT = RequestFailed(ErrorCode.INTERNAL, "internal error of the manager, see its log")


@dataclass(frozen=True, slots=True)
class Served:
    """What all conversations of one manager process share."""

    executions: Executions
    rules: RunRules
    boot_id: int
    large: LargeAnswers
    last_words: LastWords = field(default_factory=LastWords)


class Conversation:
    """Requests go in by `take`, one after the other; frames come out of `next_frame`.

    `caller` is who opened the connection; `allowance` the rates of its token, null without any.
    """

    def __init__(
        self,
        served: Served,
        caller: Caller,
        allowance: Allowance | None = None,
        relay_of: Callable[[Outgoing], Relay] | None = None,
    ) -> None:
        self._served = served
        self._executions = served.executions
        self._caller = caller
        self._allowance = allowance
        self._visible = VisibleRuns(served.executions, caller.sees)
        self._outgoing = Outgoing()
        self._subscriptions = Subscriptions(
            served.executions, self._outgoing, served.last_words, served.large
        )
        self.relay = None if relay_of is None else relay_of(self._outgoing)
        """To other managers that have runs which this client asks about; null where there are none."""
        self._outgoing.put_reply(frames.hello(served.boot_id))

    @property
    def waiting(self) -> int:
        return len(self._outgoing)

    async def take(self, message: bytes) -> None:
        """Answer a binary message. Waits while the client has not read its earlier answers."""
        await self._outgoing.room_for_reply()
        try:
            request = frames.request_of(message)
        except BadFrame as bad:
            self._refuse(bad, len(message))
            return
        try:
            self._count(len(message))
            await self._answer(request)
        except RequestFailed as failure:
            self._fail(request, failure)
        except Away as away:
            self._fail(request, RequestFailed(ErrorCode.INTERNAL, str(away)))
        except (WrongShape, BadHostAddress) as error:
            self._fail(request, RequestFailed(ErrorCode.MALFORMED_FRAME, str(error)))
        except Exception as error:
            if answer_to(error) is None:
                log.exception("socket_request_failed", method=request.method.name)
                self._fail(request, DEFECT)
            else:
                self._fail(request, RequestFailed(ErrorCode.INTERNAL, str(error)))

    async def refuse_text(self, size: int) -> None:
        """Answer a text message of `size` bytes, which is none of the protocol's."""
        await self._outgoing.room_for_reply()
        self._refuse(frames.text_message(), size)

    async def next_frame(self) -> bytes | None:
        """The next frame for the client; None after `finish` when there is none left.

        Raises EventLost, StoreFailure: the client has to connect and attach again.
        """
        self._subscriptions.sent()
        while (waiting := await self._outgoing.take()) is not None:
            if not isinstance(waiting, News):
                return waiting
            if (event := await self._subscriptions.event(waiting.run_id)) is not None:
                return event
        if self.relay is not None and self.relay.broken:
            raise EventLost("another manager that has a run of this client's has gone")
        return None

    def finish(self) -> None:
        """Nothing more is taken; what waits is still sent."""
        self._outgoing.close()

    def close(self) -> None:
        """The client has gone. Its runs go on."""
        self._subscriptions.close()

    def _refuse(self, bad: BadFrame, size: int) -> None:
        """Answer what is no request; for the token's rates it is one."""
        try:
            self._count(size)
        except RequestFailed as over:
            self._outgoing.put_reply(frames.error(bad.request_id, over))
        else:
            self._outgoing.put_reply(frames.error(bad.request_id, bad))

    def _count(self, size: int) -> None:
        """Raises RequestFailed when the token is over its rate."""
        if self._allowance is not None and (wait := self._allowance.ask(size)) > 0:
            raise RequestFailed(ErrorCode.INTERNAL, too_many_text(self._caller, whole_seconds(wait)))

    async def _answer(self, request: Request) -> None:
        size = len(request.payload)
        payload = await aside(size, partial(frames.decoded, request.payload))
        if await self._is_elsewhere(request, payload):
            return
        match request.method:
            case Method.RUN:
                await self._run(request, payload, size)
            case Method.ATTACH:
                await self._attach(request, payloads.attach(payload))
            case Method.CANCEL:
                self._cancel(request, payloads.run_id(payload, "cancel"))
            case Method.ACK:
                await self._acknowledge(request, payloads.run_id(payload, "ack"))
            case Method.GET_ARTIFACT:
                await self._get_artifact(request, payloads.get_artifact(payload))
            case _:
                raise AssertionError(f"{request.method.name} is not a method for clients")

    async def _is_elsewhere(self, request: Request, payload: Value) -> bool:
        """Whether another manager has the run that is asked about, and answers."""
        if self.relay is None or request.method is Method.RUN:
            return False
        run_id = payloads.named_run(request.method, payload)
        if self._executions.supervises(run_id) or self._executions.knows(run_id):
            return False
        return await self.relay.passed(run_id, request)

    async def _run(self, request: Request, payload: Value, size: int) -> None:
        body = payloads.run_map(payload)
        wanted = await aside(size, lambda: run_request_from_c(body, self._served.rules))
        wanted = replace(wanted, size=size).within(self._caller.namespace)
        ended = self._executions.repeated(wanted)
        if ended is not None and (final := await self._executions.status(ended)) is not None:
            self._reply(request, {"genvm_id": ended})
            self._subscriptions.tell_ended(final)
            return
        try:
            run = await submitted(self._executions, wanted, self._allowance)
        except RunElsewhere as elsewhere:
            if self.relay is None or not await self.relay.passed(elsewhere.run_id, request):
                raise
            return
        self._reply(request, {"genvm_id": run.id})
        self._subscriptions.tell(run)

    async def _attach(self, request: Request, asked: payloads.Attach) -> None:
        if asked.boot_id != self._served.boot_id:
            raise RequestFailed(
                ErrorCode.BOOT_ID_MISMATCH, "boot_id_mismatch: the run belongs to another manager process"
            )
        run = self._live(asked.genvm_id)
        if run is not None and not run.concluded.done():
            snapshot = progress(run.execution, run.request.idempotency_key)
            self._reply(request, {"snapshot": snapshot})
            self._subscriptions.follow(run)
            return
        room = await self._served.large.take(self._visible.kept_bytes(asked.genvm_id), VERY_LARGE)
        try:
            await self._tell_of_ended(request, asked.genvm_id)
            if room.is_large:
                await self._outgoing.until_sent()
        finally:
            room.give_back()

    async def _tell_of_ended(self, request: Request, run_id: int) -> None:
        final = await self._final(run_id)
        if lost(final.outcome):
            raise RequestFailed(ErrorCode.UNKNOWN_ID, f"GenVM with id {run_id} was lost with its manager")
        self._outgoing.put_reply(await aside(weight(final), lambda: _snapshot(request, final)))

    def _cancel(self, request: Request, run_id: int) -> None:
        if (run := self._live(run_id)) is not None:
            self._executions.cancel(run, 0)
        elif not self._visible.knows(run_id):
            raise _unknown(run_id)
        self._reply(request, {})

    async def _acknowledge(self, request: Request, run_id: int) -> None:
        try:
            await self._visible.acknowledge(run_id)
        except UnknownRun:
            raise _unknown(run_id) from None
        except NotEnded:
            raise RequestFailed(ErrorCode.NOT_FINISHED, f"GenVM with id {run_id} has not finished") from None
        self._reply(request, {})

    async def _get_artifact(self, request: Request, asked: payloads.GetArtifact) -> None:
        await self._outgoing.room_for_artifact()
        room = await self._served.large.take(self._visible.kept_bytes(asked.genvm_id), VERY_LARGE)
        try:
            final = await self._final(asked.genvm_id)
            if never_ran(final.outcome):
                raise _unknown(asked.genvm_id)
            whole = await aside(weight(final), partial(artifact, final, asked.field))
        finally:
            room.give_back()
        piece = whole[asked.offset : asked.offset + min(asked.max_len, LONGEST_PIECE)]
        reply: dict[str, Encodable] = {"total_len": len(whole), "data": piece}
        self._outgoing.put_artifact(frames.frame(request.method, request.request_id, reply))

    def _live(self, run_id: int) -> Run | None:
        """A run that has been written down and has not been acknowledged."""
        run = self._visible.find(run_id)
        return run if run is not None and run.accepted.done() else None

    async def _final(self, run_id: int) -> FinalStatus:
        final = await self._visible.status(run_id)
        if final is None:
            raise _unknown(run_id)
        return final

    def _reply(self, request: Request, payload: Encodable) -> None:
        self._outgoing.put_reply(frames.frame(request.method, request.request_id, payload))

    def _fail(self, request: Request, failure: RequestFailed) -> None:
        self._outgoing.put_reply(frames.error(request.request_id, failure))


def _snapshot(request: Request, final: FinalStatus) -> bytes:
    return frames.frame(request.method, request.request_id, {"snapshot": terminal(final)})


def _unknown(run_id: int) -> RequestFailed:
    return RequestFailed(ErrorCode.UNKNOWN_ID, f"GenVM with id {run_id} not found")

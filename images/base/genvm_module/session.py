"""One session: hello, then one request at a time until the peer goes (modules 1.6, 1.7).

The work on a request is cancelled the moment its peer goes: nobody is left to pay a provider for.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog

from genvm_module.contract import Conversation
from genvm_module.errors import ModuleError, RequestMalformed, error_answer, fatal_answer
from genvm_module.streams import MessageStream, StreamBroken
from genvm_wire.calldata import CalldataError, Encodable, Value, decode, encode

LAST_WORD_SECONDS = 0.2
MAX_ITEMS = 20_000
"""Values one request may hold: a byte of calldata can cost a hundred of memory, and each costs time."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Tally:
    """What a module's sessions have asked for and got."""

    requests: int = 0
    answered: int = 0
    user_errors: int = 0
    fatal_errors: int = 0
    abandoned: int = 0

    def counters(self) -> dict[str, Encodable]:
        return {
            "requests": self.requests,
            "answered": self.answered,
            "user_errors": self.user_errors,
            "fatal_errors": self.fatal_errors,
            "abandoned": self.abandoned,
        }


@dataclass(slots=True)
class ServedSession:
    """`stream` served by what `meet` makes of the hello; `deadline` as in `contract.Terms`.

    `meet` gives a conversation, or a fixed answer to whatever is asked. It raises HelloUnusable, which its
    caller handles, when there is no session to be had.
    """

    stream: MessageStream
    meet: Callable[[bytes], Conversation | Mapping[str, Encodable]]
    tally: Tally
    deadline: float | None = None
    requests: int = 0
    busy: bool = False
    ending: bool = False
    """Set from outside: no further request is taken."""
    statistics: dict[str, Encodable] = field(default_factory=dict)
    _conversation: Conversation | None = None

    async def serve(self) -> None:
        """Until the peer goes or the deadline passes; `close` follows. Raises HelloUnusable, StreamBroken."""
        try:
            async with asyncio.timeout_at(self.deadline):
                hello = await self.stream.receive()
                if hello is None:
                    return
                await self._converse(self.meet(hello))
        except TimeoutError:
            log.info("session_deadline", requests=self.requests)

    async def _converse(self, counterpart: Conversation | Mapping[str, Encodable]) -> None:
        if isinstance(counterpart, Mapping):
            await self._serve_all(lambda _: _constant(counterpart))
            return
        self._conversation = counterpart
        await self._serve_all(lambda body: self._answer(counterpart, body))

    def note_statistics(self) -> None:
        """Take over what the conversation has counted until now."""
        if self._conversation is not None:
            try:
                self.statistics = self._conversation.statistics()
            except Exception:  # the boundary: a session without figures is still over
                log.exception("statistics_broke")

    async def close(self) -> None:
        """Close conversation and stream, once the serving has ended."""
        try:
            if self._conversation is not None:
                await self._conversation.close()
        finally:
            await self.stream.close()

    async def _serve_all(self, respond: Callable[[bytes], Awaitable[Mapping[str, Encodable]]]) -> None:
        while (body := await self.stream.receive()) is not None:
            self.requests += 1
            self.tally.requests += 1
            self.busy = True
            answer = await self._unless_gone(_timely(respond(body), self.deadline))
            if answer is None:
                self.tally.abandoned += 1
                log.info("request_abandoned", reason="the caller has gone")
                return
            await self.stream.send(self._encoded(answer))
            self.busy = False
            if self.ending:
                return

    async def _unless_gone(self, work: Awaitable[Mapping[str, Encodable]]) -> Mapping[str, Encodable] | None:
        answering = asyncio.ensure_future(work)
        leaving = asyncio.ensure_future(self.stream.peer_gone())
        try:
            await asyncio.wait([answering, leaving], return_when=asyncio.FIRST_COMPLETED)
            return answering.result() if answering.done() else None
        finally:
            await _put_down(answering, leaving)

    async def _answer(self, conversation: Conversation, body: bytes) -> Mapping[str, Encodable]:
        started = time.monotonic()
        try:
            request = _decoded(body)
            if request == "GetStats":
                return {"Ok": conversation.statistics()}
            return {"Ok": await conversation.answer(request)}
        except ModuleError as error:
            log.info(
                "request_failed",
                causes=error.causes,
                fatal=error.fatal,
                seconds=round(time.monotonic() - started, 3),
            )
            return error_answer(error)
        except Exception as error:  # the boundary: one broken request must not end the module
            log.exception("request_broke")
            return fatal_answer(["INTERNAL", type(error).__name__])

    def _encoded(self, answer: Mapping[str, Encodable]) -> bytes:
        try:
            body = encode(answer)
            if len(body) > self.stream.answer_limit:
                answer = fatal_answer(["ANSWER_TOO_LARGE", f"{len(body)} bytes"])
                body = encode(answer)
        except CalldataError as error:
            answer = fatal_answer(["ANSWER_NOT_ENCODABLE", error.reason])
            body = encode(answer)
        self.tally.answered += 1
        self.tally.user_errors += "UserError" in answer
        self.tally.fatal_errors += "FatalError" in answer
        return body


def _decoded(body: bytes) -> Value:
    try:
        return decode(body, max_items=MAX_ITEMS)
    except CalldataError as error:
        raise RequestMalformed(f"not calldata: {error.reason}") from None


async def _timely(
    work: Awaitable[Mapping[str, Encodable]], deadline: float | None
) -> Mapping[str, Encodable]:
    """The answer, or the one that says that the run's time is over, a moment before the session ends."""
    try:
        async with asyncio.timeout_at(None if deadline is None else deadline - LAST_WORD_SECONDS):
            return await work
    except TimeoutError:
        return fatal_answer(["DEADLINE", "the run's time is over"])


async def _constant(answer: Mapping[str, Encodable]) -> Mapping[str, Encodable]:
    return answer


async def _put_down(*tasks: asyncio.Future[Any]) -> None:
    """Cancel them all before the first wait, which may itself be cancelled."""
    for task in tasks:
        task.cancel()
        task.add_done_callback(_say_what_failed)
    await asyncio.wait(tasks)


def _say_what_failed(task: asyncio.Future[Any]) -> None:
    if task.cancelled() or (error := task.exception()) is None or isinstance(error, StreamBroken):
        return
    log.warning("side_task_failed", error=type(error).__name__)

"""All live sessions of a module process: bounded in number, each served by a task that may be cancelled.

What has to be said and given back afterwards is the work of a second task, which nobody cancels: a session
that is ended before its first step, or twice, still has its last word.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from genvm_module.hello import HelloUnusable
from genvm_module.session import ServedSession, Tally
from genvm_module.streams import StreamBroken
from genvm_wire.calldata import Encodable

DEFAULT_LIMIT = 256

log = structlog.get_logger(__name__)


async def _nobody(_: ServedSession) -> None:
    return


@dataclass(frozen=True, slots=True)
class Parting:
    """What follows a session, once each and in every case: `tell` of it, and `release` what it used."""

    tell: Callable[[ServedSession], Awaitable[None]] = _nobody
    release: Callable[[ServedSession], Awaitable[None]] = _nobody


@dataclass(frozen=True, slots=True)
class _Live:
    session: ServedSession
    run: int | None
    serving: asyncio.Task[None]


class Sessions:
    """`limit` sessions at most. Whoever makes one ends it with `finish` or `aclose`."""

    def __init__(self, limit: int = DEFAULT_LIMIT) -> None:
        self._limit = limit
        self._live: dict[asyncio.Task[None], _Live] = {}
        self._empty = asyncio.Event()
        self._empty.set()
        self.tally = Tally()
        self._total = 0
        self._refused = 0

    def __len__(self) -> int:
        return len(self._live)

    def runs(self) -> list[int]:
        return sorted(one.run for one in self._live.values() if one.run is not None)

    def counters(self) -> dict[str, Encodable]:
        return {
            **self.tally.counters(),
            "sessions": len(self._live),
            "sessions_total": self._total,
            "sessions_refused": self._refused,
        }

    def has_room(self) -> bool:
        """Whether one more session fits; a refusal is counted."""
        if len(self._live) < self._limit:
            return True
        self._refused += 1
        log.warning("session_refused", limit=self._limit)
        return False

    def start(self, session: ServedSession, run: int | None, parting: Parting) -> asyncio.Task[None]:
        """Serve `session`; the task returned ends when everything that follows it is done."""
        loop = asyncio.get_running_loop()
        serving = loop.create_task(_serve(session, run), name=f"session:{run}")
        task = loop.create_task(_see_out(serving, session, run, parting), name=f"session:{run} parting")
        self._live[task] = _Live(session, run, serving)
        self._total += 1
        self._empty.clear()
        task.add_done_callback(self._gone)
        return task

    def _gone(self, task: asyncio.Task[None]) -> None:
        self._live.pop(task, None)
        if not self._live:
            self._empty.set()

    def end(self, run: int) -> bool:
        """Cancel what the run's session has under way; False when it has none, or all of it is over."""
        found = [one for one in self._live.values() if one.run == run]
        for one in found:
            one.serving.cancel()
        return bool(found)

    async def drained(self) -> None:
        """Wait until no session is left."""
        await self._empty.wait()

    async def finish(self, grace: float) -> None:
        """End idle sessions now, busy ones after their answer, and all of them after `grace` seconds."""
        busy = []
        for one in self._live.values():
            one.session.ending = True
            if one.session.busy:
                busy.append(one.serving)
            else:
                one.serving.cancel()
        if busy:
            await asyncio.wait(busy, timeout=grace)
        await self.aclose()

    async def aclose(self) -> None:
        while self._live:
            for one in self._live.values():
                one.serving.cancel()
            await asyncio.wait(list(self._live))


async def _serve(session: ServedSession, run: int | None) -> None:
    structlog.contextvars.bind_contextvars(run=run)
    try:
        await session.serve()
    except HelloUnusable as error:
        log.warning("session_dropped", reason=str(error))
    except StreamBroken as error:
        log.info("session_broke", reason=str(error))
    except Exception:  # the boundary: a session's fault ends that session
        log.exception("session_failed")


async def _see_out(
    serving: asyncio.Task[None], session: ServedSession, run: int | None, parting: Parting
) -> None:
    """Neither waits for the other: a peer or a manager that does not read holds up its own side only."""
    structlog.contextvars.bind_contextvars(run=run)
    await asyncio.wait([serving])
    session.note_statistics()
    await asyncio.gather(_whatever(parting.tell(session)), _put_away(session, parting))


async def _put_away(session: ServedSession, parting: Parting) -> None:
    await _whatever(session.close())
    await _whatever(parting.release(session))


async def _whatever(work: Awaitable[None]) -> None:
    """One part that fails keeps no other from being done."""
    try:
        await work
    except Exception:
        log.exception("session_parting_failed")

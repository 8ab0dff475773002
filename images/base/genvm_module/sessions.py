"""All live sessions of a module process: bounded in number, each an owned task with its own log context."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from genvm_module.hello import HelloUnusable
from genvm_module.session import Session, Tally
from genvm_module.streams import StreamBroken
from genvm_wire.calldata import Encodable

DEFAULT_LIMIT = 256

log = structlog.get_logger(__name__)

Ended = Callable[[Session], Awaitable[None]]


class Sessions:
    """`limit` sessions at most. Whoever makes one ends it with `finish` or `aclose`."""

    def __init__(self, limit: int = DEFAULT_LIMIT) -> None:
        self._limit = limit
        self._live: dict[asyncio.Task[None], tuple[Session, int | None]] = {}
        self._empty = asyncio.Event()
        self._empty.set()
        self.tally = Tally()
        self._total = 0
        self._refused = 0

    def __len__(self) -> int:
        return len(self._live)

    def runs(self) -> list[int]:
        return sorted(run for _, run in self._live.values() if run is not None)

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

    def start(self, session: Session, run: int | None, ended: Ended | None = None) -> asyncio.Task[None]:
        """Serve `session` in a task of its own; `ended` is told afterwards in every case."""
        task = asyncio.get_running_loop().create_task(self._serve(session, run, ended), name=f"session:{run}")
        self._live[task] = (session, run)
        self._total += 1
        self._empty.clear()
        task.add_done_callback(self._gone)
        return task

    def _gone(self, task: asyncio.Task[None]) -> None:
        self._live.pop(task, None)
        if not self._live:
            self._empty.set()

    async def _serve(self, session: Session, run: int | None, ended: Ended | None) -> None:
        structlog.contextvars.bind_contextvars(run=run)
        try:
            await session.serve()
        except HelloUnusable as error:
            log.warning("session_dropped", reason=str(error))
        except StreamBroken as error:
            log.info("session_broke", reason=str(error))
        except Exception:  # the boundary: a session's fault ends that session
            log.exception("session_failed")
        finally:
            await session.stream.close()
            if ended is not None:
                await ended(session)

    def end(self, run: int) -> None:
        """Cancel the run's session, if there is one."""
        for task, (_, owner) in list(self._live.items()):
            if owner == run:
                task.cancel()

    async def drained(self) -> None:
        """Wait until no session is left."""
        await self._empty.wait()

    async def finish(self, grace: float) -> None:
        """End idle sessions now, busy ones after their answer, and all of them after `grace` seconds."""
        busy = []
        for task, (session, _) in self._live.items():
            session.ending = True
            if session.busy:
                busy.append(task)
            else:
                task.cancel()
        if busy:
            await asyncio.wait(busy, timeout=grace)
        await self.aclose()

    async def aclose(self) -> None:
        while self._live:
            tasks = list(self._live)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

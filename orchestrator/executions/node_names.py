"""Names of nodes: asked of the resolver on threads of its own, so that a slow one holds up no other.

Twice for a run: when it is handed over, where the answer is what is judged and dialled; and before it is
written down, for a short while, so that a name of nothing but refused addresses is refused to its client.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

from orchestrator.clock import MACHINE_CLOCK, Ticks, wait
from orchestrator.executions.node_networks import Address, plain
from orchestrator.executions.times import DEFAULT_TIMES, Times

RESOLVING_THREADS = 64
"""Names that are asked about for a dial at a time. A resolver keeps one of them for ten seconds and more when
no server answers, and a thread that waits costs little."""
LOOKING_THREADS = 4
MOST_ADDRESSES = 32
"""Of one name: what a server answers beyond that is neither judged nor dialled."""
MOST_LOOKS = 64
"""Names that are asked about or remembered at a time; what is more is judged when it is dialled."""


@dataclass(frozen=True, slots=True)
class _Look:
    asking: asyncio.Future[list[Address]]
    at: float


@dataclass(slots=True)
class _Question:
    work: Future[list[Address]]
    answer: asyncio.Future[list[Address]]
    waiting: int = 0


class NodeNames:
    """One for a dialler; `close` it at the end."""

    def __init__(self, times: Times = DEFAULT_TIMES, clock: Ticks = MACHINE_CLOCK) -> None:
        self._times = times
        self._clock = clock
        self._resolving = ThreadPoolExecutor(RESOLVING_THREADS, thread_name_prefix="node-names")
        self._looking = ThreadPoolExecutor(LOOKING_THREADS, thread_name_prefix="node-names-looked-at")
        self._looks: dict[str, _Look] = {}
        self._questions: dict[str, _Question] = {}

    def close(self) -> None:
        for question in self._questions.values():
            question.answer.cancel()
        for look in self._looks.values():
            look.asking.cancel()
        for threads in (self._resolving, self._looking):
            threads.shutdown(wait=False, cancel_futures=True)

    async def resolve(self, name: str) -> list[Address]:
        """What the name leads to now. Raises OSError, UnicodeError.

        One question about a name at a time, whoever waits for it: a slow one holds one thread, however many
        runs name it, and those whose time is over leave it there.
        """
        question = self._questions.get(name) or self._ask(name)
        question.waiting += 1
        try:
            return await asyncio.shield(question.answer)
        finally:
            question.waiting -= 1
            if question.waiting == 0 and question.work.cancel():
                self._forget(name, question)

    def _ask(self, name: str) -> _Question:
        work = self._resolving.submit(_resolved, name)
        question = self._questions[name] = _Question(work, asyncio.wrap_future(work))
        question.answer.add_done_callback(lambda answer: self._answered(name, question, answer))
        return question

    def _answered(self, name: str, question: _Question, answer: asyncio.Future[list[Address]]) -> None:
        self._forget(name, question)
        if not answer.cancelled():
            # Those who waited may be gone, and a failure that nobody takes is logged as a defect.
            answer.exception()

    def _forget(self, name: str, question: _Question) -> None:
        if self._questions.get(name) is question:
            del self._questions[name]

    async def look(self, name: str) -> list[Address]:
        """What the name leads to, or did a moment ago; empty when nobody says so soon enough."""
        look = self._look(name)
        if look is None:
            return []
        if not look.asking.done():
            left = look.at + self._times.name_look - self._clock.time()
            await wait(self._clock, [look.asking], max(0.0, left))
        return look.asking.result() if look.asking.done() and not look.asking.cancelled() else []

    def _look(self, name: str) -> _Look | None:
        """One question about a name, also for those who ask meanwhile; null when too many are being asked."""
        now = self._clock.time()
        known = self._looks.get(name)
        if known is not None and (now - known.at < self._times.name_kept or not known.asking.done()):
            return known
        if len(self._looks) >= MOST_LOOKS:
            self._looks = {one: look for one, look in self._looks.items() if not look.asking.done()}
        if len(self._looks) >= MOST_LOOKS:
            return None
        asking = asyncio.wrap_future(self._looking.submit(_found, name))
        look = self._looks[name] = _Look(asking, now)
        return look


def _found(name: str) -> list[Address]:
    try:
        return _resolved(name)
    except (OSError, ValueError):
        return []


def _resolved(name: str) -> list[Address]:
    # Bytes are taken as they are: a text is encoded first, at a cost that grows with its square.
    found = socket.getaddrinfo(name.encode("ascii"), None, type=socket.SOCK_STREAM)
    spellings = dict.fromkeys(str(target[0]).partition("%")[0] for *_, target in found)
    return [plain(ipaddress.ip_address(one)) for one in islice(spellings, MOST_ADDRESSES)]

"""The day's runs: each is asked for, seen through to its row in the journal, and excused if it was struck."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from orchestrator.node.store import NodeStore
from tests.chaos.checker import ANSWERED_OTHERWISE
from tests.chaos.clients import Clients, Order
from tests.chaos.history import Fault, History, StatusRead
from tests.chaos.ledger import FINAL, JournalRow, read_key
from tests.chaos.site import Site
from tests.chaos.witness import Witness
from tests.longrun.errands import SOCKET, Errand
from tests.longrun.socket_line import FAILED_TO_START, SocketLine
from tests.until import until


@dataclass(slots=True)
class Going:
    """A run that is not over, for its client; `began` in the monotonic clock."""

    order: Order
    errand: Errand
    began: float


@dataclass(frozen=True, slots=True)
class Done:
    """How a run went for its client; `seconds` from the request to the final status."""

    hour: int
    errand: Errand
    seconds: float
    cause: str
    has_result: bool
    excuse: str | None


@dataclass(slots=True)
class Illness:
    """A time in which a module could not answer; `until` is null while it lasts."""

    since: float
    until: float | None = None


@dataclass
class Traffic:
    """What is asked for, what is under way and what came of it."""

    site: Site
    store: NodeStore
    history: History
    clients: Clients
    socket: SocketLine
    going: dict[str, Going] = field(default_factory=dict)
    done: list[Done] = field(default_factory=list)
    rows: list[JournalRow] = field(default_factory=list)
    rows_by_name: dict[str, JournalRow] = field(default_factory=dict)
    """The last of each errand."""
    findings: list[str] = field(default_factory=list)
    struck: dict[str, str] = field(default_factory=dict)
    """Instances and keys at which a fault was aimed, and its kind."""
    illnesses: list[Illness] = field(default_factory=list)
    held: list[Going] = field(default_factory=list)
    asked: int = 0

    async def run(self, errand: Errand, hour: int, *, held: bool = False) -> Done:
        """One run from its request to its row. The node of a `held` one says nothing until it is woken."""
        self.asked += 1
        key = f"{hour}-{self.asked}"
        stage = await asyncio.to_thread(errand.stage, self.store)
        table, width = errand.spoken
        path = self.site.folder / f"n-{key}"
        witness = Witness(key, path, stage, self.history, table=table, fuel_width=width)
        await witness.open()
        order = Order(errand, witness, not errand.kind.uses_modules, errand.generation)
        going = self.going[key] = Going(order, errand, time.monotonic())
        if held:
            self.held.append(going)
            witness.fall_silent()
        try:
            return await self._seen_through(going, hour)
        finally:
            del self.going[key]
            await witness.close()

    async def _seen_through(self, going: Going, hour: int) -> Done:
        order = going.order
        told = await self.socket.see_through(order) if going.errand.caller == SOCKET else None
        run_id = await self.clients.accept(order) if told is None else told.run_id
        failed = told is not None and told.event == FAILED_TO_START
        if not failed:
            # Of a run of generation C that failed to start HTTP says nothing, ever (manager-api 3.4).
            await self.clients.final_status(order, run_id)
        seconds = time.monotonic() - going.began
        rows = await asyncio.to_thread(read_key, self.site.state_dir, order.key)
        self.rows += map(_told, rows)
        row = next((row for row in rows if row.id == run_id), None)
        if row is not None:
            self.rows_by_name[going.errand.name] = row
        if told is not None:
            if row is not None and told.result != row.result:
                self.findings.append(f"run {run_id}: another result over the socket than in the journal")
            if failed and row is not None and row.cause is not None:
                at = (row.finished_at or 0) // 1000
                self.history.add(StatusRead(order.key, run_id, row.cause, row.reason, at))
            await self.socket.acknowledge(run_id)
        if excuse := self._excuse(going, row):
            self.history.add(Fault(excuse, run_id))
        cause = "no row" if row is None or row.cause is None else row.cause
        has_result = row is not None and row.result is not None
        done = Done(hour, going.errand, seconds, cause, has_result, excuse)
        self.done.append(done)
        return done

    def _excuse(self, going: Going, row: JournalRow | None) -> str | None:
        """Why the run may have ended in another way than undisturbed."""
        if row is not None and row.instance in self.struck:
            return self.struck[row.instance]
        if going.order.key in self.struck:
            return self.struck[going.order.key]
        was_ill = any(ill.until is None or ill.until > going.began for ill in self.illnesses)
        return ANSWERED_OTHERWISE if was_ill and going.errand.kind.uses_modules else None

    @contextmanager
    def module_ill(self) -> Iterator[None]:
        """While a module cannot answer."""
        illness = Illness(time.monotonic())
        self.illnesses.append(illness)
        try:
            yield
        finally:
            illness.until = time.monotonic()

    async def held_have_begun(self, count: int) -> None:
        """Until so many runs are held, and a program is in conversation with the node of each."""
        await until(lambda: len(self.held) >= count)
        for going in self.held:
            await going.order.witness.begun.wait()

    def wake(self) -> None:
        for going in self.held:
            going.order.witness.go_on()
        self.held.clear()

    def talking(self) -> list[Going]:
        """Runs whose program is in conversation with its node."""
        return [going for going in self.going.values() if going.order.witness.talking]


def _told(row: JournalRow) -> JournalRow:
    """A client is told how a run ended before its instance is gone; whether that goes is seen at rest."""
    return row if row.cause is None or row.final else replace(row, state=FINAL[0])

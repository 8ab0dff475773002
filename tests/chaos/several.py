"""Chaos with several managers: one is killed, one stands still past its lease and wakes, and clients insist.

Counted at the end, from what clients, nodes and the kernel saw:

lost         a key without a final status, or with one that no death explains
doubled      a key with two runs; a node with two conversations or two results
crossed      a status that has another run's output
permits_off  more instances alive at a moment than there are permits; permits that are not free at the end
orphans      instances left when all is over
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import ClientError

from genvm_module.listening import stop_listening
from orchestrator.company import FENCED
from tests import generation_bodies
from tests.chaos.checker import Verdict
from tests.several_managers import Several, several_managers

CONCURRENT = 16
LOOK_S = 0.05
RETRY_S = 0.1
BEGUN, RESULT = b"begun\n", b"result\n"
BY_DEATH = {("engine", "container_lost"), ("engine", "manager_restart"), ("engine", "control_lost")}


@dataclass(frozen=True, slots=True)
class SeveralPlan:
    """`lease` in seconds; the faults come when a fifth and two fifths of the runs have been begun, or
    `at_once`, so that both managers' runs come to one heir."""

    managers: int
    runs: int
    seed: int
    permits: int
    lease: float = 3.0
    at_once: bool = False


@dataclass
class Seen:
    """What was seen of one key, outside of the managers."""

    key: str
    ids: set[int] = field(default_factory=set)
    begun: int = 0
    results: int = 0
    status: dict[str, Any] | None = None


@dataclass
class SeveralArena:
    plan: SeveralPlan
    site: Several
    dice: random.Random
    verdict: Verdict = field(default_factory=Verdict)
    seen: list[Seen] = field(default_factory=list)
    accepted: asyncio.Condition = field(default_factory=asyncio.Condition)
    takeovers: list[float] = field(default_factory=list)
    """Seconds from the end of a dead manager's lease until its runs were another's, and known there."""

    @property
    def names(self) -> list[str]:
        return [f"m{number}" for number in range(self.plan.managers)]

    async def play(self) -> None:
        await asyncio.gather(*(self.site.start(name) for name in self.names))
        counting = asyncio.create_task(self._count_instances())
        room = asyncio.Semaphore(CONCURRENT)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._disturb())
                for number in range(self.plan.runs):
                    group.create_task(self._see_through(f"key-{number}", room))
        finally:
            counting.cancel()
            await asyncio.wait([counting])
        await self._settled()

    async def _see_through(self, key: str, room: asyncio.Semaphore) -> None:
        async with room, listening(self.site.folder / key) as seen:
            self.seen.append(seen)
            run_id = await self._accept(seen)
            async with self.accepted:
                self.accepted.notify_all()
            while seen.status is None:
                answer = await self._ask("GET", f"/genvm/{run_id}", params={"wait": "2s"})
                seen.status = None if answer is None else answer.get("status")
                await asyncio.sleep(0 if answer is not None else RETRY_S)

    async def _accept(self, seen: Seen) -> int:
        script = f'{{"tell_node": "begun\\n", "print": "{seen.key}", "sleep": {self.dice.uniform(0, 0.5)}}}'
        address = f"unix://{self.site.folder / seen.key}"
        body = generation_bodies.encoded("B3", address, host_data=script)
        while True:
            headers = {"Idempotency-Key": seen.key}
            answer = await self._ask("POST", "/genvm/run", data=body, headers=headers)
            if answer is not None and "id" in answer:
                seen.ids.add(int(answer["id"]))
                if self.dice.random() < 0.8:
                    return int(answer["id"])
            # A client that heard nothing, or is not sure, asks again, and perhaps somebody else.
            await asyncio.sleep(RETRY_S)

    async def _ask(self, method: str, path: str, **options: Any) -> dict[str, Any] | None:
        session = self.site.sessions[self.dice.choice(self.names)]
        try:
            async with asyncio.timeout(10), session.request(method, path, **options) as response:
                answer = await response.json()
        except (ClientError, OSError, TimeoutError):
            return None
        return answer if isinstance(answer, dict) and "error" not in answer else None

    async def _disturb(self) -> None:
        """One is killed; one stands still until another has its runs, and wakes then."""
        killed, frozen = self.names[:2]
        await self._when(self.plan.runs // 5)
        if self.plan.at_once:
            await asyncio.gather(self._freeze(frozen), self._kill(killed))
            return
        await self._freeze(frozen)
        await self._when(2 * self.plan.runs // 5)
        await self._kill(killed)

    async def _freeze(self, name: str) -> None:
        self.site.send(name, signal.SIGSTOP)
        await self._taken_over(name, time.time())
        self.site.send(name, signal.SIGCONT)
        code = await self.site.ended(name)
        if code != FENCED:
            self.verdict.find("lost", f"the manager that stood still went on, and ended with {code}")
        await self.site.start(name)

    async def _kill(self, name: str) -> None:
        await self.site.killed(name)
        await self._taken_over(name, time.time())
        await self.site.start(name)

    async def _when(self, accepted: int) -> None:
        async with self.accepted:
            await self.accepted.wait_for(lambda: len(self.seen) >= accepted)

    async def _taken_over(self, dead: str, since: float) -> None:
        """Until an heir knows what became of a manager's runs."""
        while True:
            for manager in list(self.site.managers.values()):
                for record in list(manager.log):
                    if record["event"] == "takeover_settled" and record["manager"] == dead:
                        self.takeovers.append(float(record["seconds"]))
                        return
            if time.time() - since > 120:
                raise AssertionError(f"nobody took {dead} over")
            await asyncio.sleep(LOOK_S)

    async def _count_instances(self) -> None:
        while True:
            alive = await asyncio.to_thread(instances_in, self.site.folder)
            if len(alive) > self.plan.permits:
                self.verdict.find(
                    "permits_off", f"{len(alive)} instances of {self.plan.permits} permits: {alive}"
                )
            await asyncio.sleep(LOOK_S)

    async def _settled(self) -> None:
        for name in self.names:
            answer = await self._free(name)
            if answer != self.plan.permits:
                self.verdict.find("permits_off", f"{name} says that {answer} permits are free")
        for name in self.names:
            await self.site.stop(name)
        for left in [*self.site.folder.glob("m*/state/instances/*"), *instances_in(self.site.folder)]:
            self.verdict.find("orphans", f"{left} is left")

    async def _free(self, name: str) -> int:
        """Permits that are free, as soon as nobody holds one, or after a while."""
        for _ in range(100):
            _, status = await self.site.ask(name, "GET", "/status")
            free = int(status["permits"]["current"])
            if free == self.plan.permits:
                break
            await asyncio.sleep(RETRY_S)
        return free

    def judge(self) -> Verdict:
        for seen in self.seen:
            status = seen.status
            if len(seen.ids) != 1:
                self.verdict.find("doubled", f"{seen.key} was told {sorted(seen.ids)}")
            if seen.begun > 1 or seen.results > 1:
                self.verdict.find("doubled", f"{seen.key}: begun {seen.begun} times, {seen.results} results")
            if status is None:
                self.verdict.find("lost", f"{seen.key} has no final status")
            elif status["cause"] == "exited":
                if (seen.begun, seen.results) != (1, 1):
                    self.verdict.find("lost", f"{seen.key} has a result that its node does not have")
                if status["stdout"] != seen.key:
                    self.verdict.find("crossed", f"{seen.key} was told {status['stdout']!r}")
            elif (status["cause"], status["reason"]) not in BY_DEATH:
                self.verdict.find("lost", f"{seen.key} ended with {status['cause']} {status['reason']}")
        return self.verdict


@asynccontextmanager
async def listening(path: Path) -> AsyncIterator[Seen]:
    """A node's socket that stays open, and sees everybody who comes."""
    seen = Seen(path.name)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while line := await reader.readline():
                seen.begun += line == BEGUN
                seen.results += line == RESULT
                if line == RESULT:
                    writer.write(b"\0")
        writer.close()

    server = await asyncio.start_unix_server(serve, str(path))
    try:
        yield seen
    finally:
        await stop_listening(server)
        path.unlink(missing_ok=True)


def instances_in(folder: Path) -> list[str]:
    """Instances whose processes are alive, whichever manager started them. Blocking."""
    found = set()
    mark = b"GENVM_CONTROL=" + os.fsencode(folder)
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            for entry in (process / "environ").read_bytes().split(b"\0"):
                if entry.startswith(mark):
                    found.add(Path(os.fsdecode(entry)).parent.name)
    return sorted(found)


async def chaos_of_several(plan: SeveralPlan, folder: Path, url: str) -> tuple[Verdict, str]:
    """Play it once; what was found, and the line that says so."""
    settings = {
        "permits": plan.permits, "cluster_lease": plan.lease, "retention": 3600, "refetch_grace": 3600,
        "retained_runs": 10 * plan.runs, "queue_limit": 10 * plan.runs,
    }  # fmt: skip
    async with AsyncExitStack() as held:
        site = await held.enter_async_context(several_managers(folder, url, **settings))
        arena = SeveralArena(plan, site, random.Random(plan.seed))
        await arena.play()
    found = arena.judge()
    ended = sum(seen.status is not None and seen.status["cause"] == "exited" for seen in arena.seen)
    line = (
        f"chaos: managers={plan.managers} rounds=1 runs={plan.runs} lost={found.lost} "
        f"doubled={found.doubled} orphans={found.orphans} permits_off={found.permits_off} "
        f"crossed={found.crossed} lost_with_a_manager={plan.runs - ended} "
        f"recovery_p99_s={max(arena.takeovers):.2f}"
    )
    return found, line

"""What is done to the system, one thing at a time, and what is waited for afterwards."""

from __future__ import annotations

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import docker.errors

from tests.chaos.history import Fault
from tests.chaos.ledger import read_live
from tests.chaos.site import Container
from tests.longrun.engine_door import EngineDoor
from tests.longrun.pace import Pace
from tests.longrun.traffic import Going, Traffic
from tests.until import until_told

FOLLOWED_S = 120.0
SHUT_S, SILENT_S = 3.0, 5.0
SLOW_CLIENTS = 3
PROMISED = 1_000_000
MODULES = {"llm": "Llm", "web": "Web"}
ENDS_THE_MANAGER = ("kill", "detach")
FAULTS = ("kill", "instance", "llm", "gone", "detach", "silent", "engine", "slow", "web", "idle")


@dataclass
class Faults:
    """`kinds` are dealt like cards: each once, in an order of the dice's, then all again."""

    traffic: Traffic
    door: EngineDoor
    pace: Pace
    dice: random.Random
    kinds: Sequence[str] = FAULTS
    shuffled: bool = True
    counts: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    """There was nothing to aim at."""
    recoveries: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    slow: AsyncExitStack = field(default_factory=AsyncExitStack)
    victim: Callable[[], Awaitable[None]] = field(init=False)
    """Brings a run whose node holds it: something to aim at where nothing is under way."""
    _deck: list[str] = field(default_factory=list)

    async def strike(self, *, spare_manager: bool = False) -> str:
        """The next fault, and its end. What ends the manager is passed over where it is to be spared."""
        kind = self._next()
        while spare_manager and kind in ENDS_THE_MANAGER:
            kind = self._next()
        done = await self._ways()[kind]()
        (self.counts if done else self.missed)[kind] += 1
        return kind

    def _next(self) -> str:
        if not self._deck:
            self._deck = list(reversed(self.kinds))
            if self.shuffled:
                self.dice.shuffle(self._deck)
        return self._deck.pop()

    def _ways(self) -> dict[str, Callable[[], Awaitable[bool]]]:
        return {
            "kill": self.kill,
            "detach": self.detach,
            "instance": partial(self.end_instance, busy=True),
            "idle": partial(self.end_instance, busy=False),
            "llm": partial(self.end_module, "llm"),
            "web": partial(self.end_module, "web"),
            "gone": self.node_goes,
            "silent": self.nodes_fall_silent,
            "engine": self.shut_engine,
            "slow": self.slow_clients,
        }

    def _note(self, kind: str) -> None:
        self.traffic.history.add(Fault(kind))

    async def kill(self) -> bool:
        """`kill -9`, and the next manager at once."""
        self._note("kill")
        await self.traffic.site.kill()
        self.recoveries["kill"].append(await self.traffic.site.followed(FOLLOWED_S))
        return True

    async def detach(self) -> bool:
        """SIGTERM to a manager that leaves its runs to the next."""
        self._note("detach")
        code = await self.traffic.site.stop()
        if code != 0:
            self.traffic.findings.append(f"a manager that was stopped ended with {code}")
        self.recoveries["detach"].append(await self.traffic.site.followed(FOLLOWED_S))
        return True

    async def end_instance(self, *, busy: bool) -> bool:
        """By hand: an executor that has a run, or one that waits for one."""
        site = self.traffic.site
        found = await self._executors(busy=busy)
        if busy and not found:
            await self.victim()
            found = await self._executors(busy=True)
        if not found:
            return False
        victim, kind = self.dice.choice(found), "instance" if busy else "idle"
        self.traffic.struck[victim.instance] = kind
        self._note(kind)
        if self.dice.random() < 0.5:
            await site.remove(victim)
        else:
            await self._kill_container(victim.id)
        return True

    async def _executors(self, *, busy: bool) -> list[Container]:
        site = self.traffic.site
        live = {row.instance for row in await asyncio.to_thread(read_live, site.state_dir)}
        found = [one for one in await site.containers() if one.state == "running"]
        return [one for one in found if (one.instance in live) == busy]

    async def _kill_container(self, container_id: str) -> None:
        try:
            await asyncio.to_thread(self.traffic.site.engine.kill, container_id)
        except docker.errors.APIError as error:
            if error.status_code not in (404, 409):
                raise

    async def end_module(self, name: str) -> bool:
        """Its container; until there is another, runs that need it may fail."""
        module = await self.module(name)
        if module["container_id"] is None:
            return False
        with self.traffic.module_ill():
            self._note(name)
            await self._kill_container(module["container_id"])
            await until_told(partial(self._replaced, name, module["container_id"]))
        return True

    async def _replaced(self, name: str, container_id: str) -> bool:
        """As an operator does, start it where the manager says that it does not by itself."""
        module = await self.module(name)
        if module["state"] == "stopped" and not module["starting"] and module["container_id"] is None:
            await self.order("start", name)
        return bool(module["state"] == "running" and module["container_id"] not in (None, container_id))

    async def module(self, name: str) -> dict[str, Any]:
        """What the manager says of it; asked again until somebody answers."""
        status = await until_told(self.traffic.clients.status)
        found: dict[str, Any] = status["modules"][name]
        return found

    async def order(self, what: str, name: str) -> None:
        """Start or restart a module."""
        said = await ordered(self.traffic.site.api, what, name)
        if said is not None and "already" not in said:
            self.traffic.findings.append(f"module {what} {name}: {said}")

    async def node_goes(self) -> bool:
        """In the middle of a run."""
        if not self.traffic.talking():
            await self.victim()
        talking = self.traffic.talking()
        victim = self.dice.choice(talking).order
        self.traffic.struck[victim.key] = "gone"
        self._note("gone")
        victim.witness.cut()
        return True

    async def nodes_fall_silent(self) -> bool:
        """For a while; their runs have their results in spite of it."""
        if not self.traffic.going:
            await self.victim()
        silent = self.silence(3)
        self._note("silent")
        await self.pace.pause(SILENT_S)
        wake(silent)
        return bool(silent)

    def silence(self, most: int) -> list[Going]:
        """Nodes of runs that are under way or about to be; they say nothing until they are woken."""
        going = list(self.traffic.going.values())
        chosen = self.dice.sample(going, min(most, len(going)))
        for one in chosen:
            one.order.witness.fall_silent()
        return chosen

    async def shut_engine(self) -> bool:
        """The engine does not answer, and everybody is thrown out; containers go on."""
        self._note("hiccup")
        await self.door.shut()
        await until_told(partial(self._engine_is, "unreachable"))
        await self.pace.pause(SHUT_S)
        await self.door.open()
        await until_told(partial(self._engine_is, "reachable"))
        return True

    async def _engine_is(self, said: str) -> bool:
        status = await until_told(self.traffic.clients.status)
        return bool(status["engine"] == said)

    async def slow_clients(self) -> bool:
        """Who sends half of a request and no more, and who asks for events and reads none; until the next."""
        await self.slow.aclose()
        self._note("slow")
        for _ in range(SLOW_CLIENTS):
            _, writer = await asyncio.open_unix_connection(self.traffic.site.api)
            self.slow.callback(writer.close)
            head = f"POST /genvm/run HTTP/1.1\r\nHost: m\r\nContent-Length: {PROMISED}\r\n\r\n"
            writer.write(head.encode() + b'{"message":')
            session = await self.slow.enter_async_context(session_at(self.traffic.site.api))
            await session.ws_connect("/ws")
        return True


def session_at(api: Path) -> aiohttp.ClientSession:
    timeout = aiohttp.ClientTimeout(total=120)
    return aiohttp.ClientSession("http://manager", connector=aiohttp.UnixConnector(str(api)), timeout=timeout)


async def ordered(api: Path, what: str, name: str) -> str | None:
    """Start or restart a module, of its default configuration; why it was refused."""
    body = {"module_type": MODULES[name], "config": None}
    async with session_at(api) as session, session.post(f"/module/{what}", json=body) as response:
        return None if response.status == 200 else str(await response.json())


def wake(silent: Sequence[Going]) -> None:
    for one in silent:
        one.order.witness.go_on()

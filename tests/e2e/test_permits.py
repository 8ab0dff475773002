"""Permits are held exactly while instances are, whatever ends a run; afterwards nothing is left."""

from __future__ import annotations

import asyncio
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import docker
import pytest

from orchestrator.composition import Manager, manager
from orchestrator.executions.state import Cause
from orchestrator.executions.verdict import EndOrder
from orchestrator.journal_location import JOURNAL_FILE
from orchestrator.node.store import NodeStore
from orchestrator.serve import listening
from orchestrator.settings import InstanceNetwork, Settings
from tests.e2e.chain import source
from tests.e2e.manager_process import MANAGED_BY
from tests.e2e.strict_node import Listener, StrictNode, body, staged, strict_node
from tests.until import until

CODE = source("behaviour.py")
PERMITS = 6
RUNS = 200
IN_FLIGHT = 18
WARM_UP = 40
BATCHES = 3
"""Runs after which pools of threads and connections have most of their size."""
SETTLING = 20.0
"""Seconds in which what is being closed is closed."""


@dataclass(frozen=True, slots=True)
class Bench:
    """Where the tests make whole managers in this process, so that their tasks can be counted."""

    engine: docker.APIClient
    state_dir: Path
    folder: Path
    store: NodeStore

    @asynccontextmanager
    async def manager(self, permits: int, *, accept_early: bool = True) -> AsyncIterator[tuple[Manager, str]]:
        """A manager that listens, and its address."""
        settings = Settings(
            state_dir=self.state_dir,
            socket=self.state_dir / "api.sock",
            permits=permits,
            accept_early=accept_early,
            end_grace=0.5,
            pool_size=0,
            instance_network=InstanceNetwork.OWN,
        )
        async with manager(settings) as running, listening(running) as address:
            yield running, address

    async def containers(self) -> list[object]:
        label = f"{MANAGED_BY}={(self.state_dir / 'manager-id').read_text('ascii')}"
        return await asyncio.to_thread(self.engine.containers, all=True, filters={"label": label})


@pytest.fixture
def bench(engine: docker.APIClient, executor_image: str, folder: Path, store: NodeStore) -> Iterator[Bench]:
    path = Path(tempfile.mkdtemp(prefix="genvm-e2e-"))
    yield Bench(engine, path, folder, store)
    shutil.rmtree(path)


async def test_one_more_than_fits_waits_and_starts_as_soon_as_one_ends(bench: Bench) -> None:
    async with (
        bench.manager(permits=2) as (running, address),
        strict_node(address, bench.folder) as node,
        node.listener(await staged(bench.store, CODE, "spin")) as first,
        node.listener(await staged(bench.store, CODE, "spin")) as second,
        node.listener(await staged(bench.store, CODE, "good")) as third,
    ):
        ids = [await node.post(listener.uri) for listener in (first, second, third)]
        await asyncio.gather(first.first_byte.wait(), second.first_byte.wait())
        status = await node.status()
        assert (status["permits"]["current"], status["permits"]["max"]) == (0, 2)
        assert status["queue"] == {"depth": 1, "waiting_for": "permits"}
        assert not third.connected.is_set()
        await node.delete(ids[0])
        await third.ended.wait()
        assert third.stage.result is not None and third.stage.result[0] == 0
        assert not second.ended.is_set()
        await node.delete(ids[1])
        assert running.executions.statistics().permits.waiting == 0


async def test_a_run_that_needs_two_permits_waits_for_two(bench: Bench) -> None:
    async with (
        bench.manager(permits=2) as (running, address),
        strict_node(address, bench.folder) as node,
        node.listener(await staged(bench.store, CODE, "spin")) as cheap,
        node.listener(await staged(bench.store, CODE, "good")) as dear,
    ):
        cheap_id = await node.post(cheap.uri)
        await node.post(dear.uri, is_sync=False)
        await cheap.first_byte.wait()
        assert running.executions.statistics().permits.waiting == 1
        assert not dear.connected.is_set()
        await node.delete(cheap_id)
        await dear.ended.wait()
        assert dear.stage.result is not None


async def test_a_client_that_goes_while_its_run_waits_takes_the_run_with_it(bench: Bench) -> None:
    """Where a run is answered only when it started (manager-api 7, W2)."""
    async with (
        bench.manager(permits=2, accept_early=False) as (running, address),
        strict_node(address, bench.folder) as node,
        node.listener(await staged(bench.store, CODE, "spin")) as holder,
        node.listener(await staged(bench.store, CODE, "good")) as waiting,
    ):
        holder_id = await node.post(holder.uri, is_sync=False)
        leaving = asyncio.create_task(node.post(waiting.uri))
        await until(lambda: running.executions.statistics().permits.waiting)
        leaving.cancel()
        await waiting.ended.wait()
        assert not waiting.first_byte.is_set(), "woken, not served"
        assert running.executions.statistics().permits.waiting == 0
        await node.delete(holder_id)


class Traffic:
    """Runs of every kind on one node; each method is one run from its request to its end."""

    def __init__(self, running: Manager, node: StrictNode, store: NodeStore) -> None:
        self.running = running
        self.node = node
        self.store = store
        self.kinds: list[Callable[[], Awaitable[object]]] = [
            self.success,
            self.user_error,
            self.vm_error,
            self.killed,
            self.killed_at_once,
            self.client_gone,
            self.host_gone,
            self.host_gone_while_queued,
            self.unreachable,
            self.deadline,
            self.deadline_at_once,
        ]

    async def success(self) -> None:
        await self._whole("good", 0)

    async def user_error(self) -> None:
        await self._whole("user_error", 1)

    async def vm_error(self) -> None:
        await self._whole("vm_error", 2)

    async def _whole(self, method: str, code: int) -> None:
        seen = await self.node.run(await staged(self.store, CODE, method), limit=120)
        assert seen.result is not None and seen.result[0] == code, seen

    async def killed(self) -> None:
        async with await self._listener("spin") as listener:
            run_id = await self.node.post(listener.uri)
            await listener.first_byte.wait()
            await self._end(run_id, Cause.CANCELLED)

    async def killed_at_once(self) -> None:
        async with await self._listener("spin") as listener:
            await self._end(await self.node.post(listener.uri), Cause.CANCELLED)
            await listener.ended.wait()

    async def client_gone(self) -> None:
        """The request is cut off: before its answer the run was queued, or is about to be."""
        async with await self._listener("good") as listener:
            timeout = aiohttp.ClientTimeout(total=0.01)
            with suppress(TimeoutError, aiohttp.ClientError):
                url = f"{self.node.base}/genvm/run"
                async with self.node.session.post(url, json=body(listener.uri), timeout=timeout) as response:
                    run_id = int((await response.json())["id"])
                    await self.node.delete(run_id)

    async def host_gone(self) -> None:
        async with await self._listener("write_forever") as listener:
            run_id = await self.node.post(listener.uri)
            await listener.first_byte.wait()
            listener.hang_up()
            await self._concluded(run_id, Cause.UPSTREAM)

    async def host_gone_while_queued(self) -> None:
        async with await self._listener("good") as listener:
            run_id = await self.node.post(listener.uri)
        await self._concluded(run_id)

    async def unreachable(self) -> None:
        await self._concluded(await self.node.post("tcp://127.0.0.1:9"), Cause.UPSTREAM)

    async def deadline(self) -> None:
        async with await self._listener("spin") as listener:
            run_id = await self.node.post(listener.uri)
            await listener.first_byte.wait()
            run = self.running.executions.find(run_id)
            assert run is not None
            run.arm_deadline(0.05, EndOrder(Cause.DEADLINE, 0.5))
            await self._concluded(run_id, Cause.DEADLINE)

    async def deadline_at_once(self) -> None:
        async with await self._listener("good") as listener:
            run_id = await self.node.post(listener.uri, max_execution_minutes=0)
            await self._concluded(run_id, Cause.DEADLINE)
            await listener.ended.wait()

    async def _listener(self, method: str) -> Listener:
        return self.node.listener(await staged(self.store, CODE, method))

    async def _end(self, run_id: int, cause: Cause) -> None:
        status = await self.node.ended(run_id)
        assert status["cause"] == cause, status

    async def _concluded(self, run_id: int, cause: Cause | None = None) -> None:
        status = await self.node.finished(run_id)
        assert cause is None or status["cause"] == cause, status


def descriptors() -> list[str]:
    """Kinds of all open files but the journal's, which has a pool of connections of its own size."""
    found = []
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            found.append(str(entry.readlink()).split(":")[0])
    return sorted(name for name in found if JOURNAL_FILE not in name)


async def settled_growth(before: list[str], few: int) -> Counter[str] | None:
    """What there is more than before; None as soon as that is less than `few`."""

    def more() -> Counter[str]:
        return Counter(descriptors()) - Counter(before)

    try:
        async with asyncio.timeout(SETTLING):
            await until(lambda: more().total() < few)
    except TimeoutError:
        return more()
    return None


async def quiet(running: Manager, resting: int) -> None:
    """Every run is released, and nobody is being told about one: only the `resting` tasks are left."""
    await until(lambda: not running.executions.statistics().supervised and len(running.background) == resting)


async def many(traffic: Traffic, count: int, in_flight: int) -> None:
    places = asyncio.Semaphore(in_flight)

    async def one(kind: Callable[[], Awaitable[object]]) -> None:
        async with places:
            await kind()

    kinds = [traffic.kinds[number % len(traffic.kinds)] for number in range(count)]
    random.Random(count).shuffle(kinds)
    async with asyncio.TaskGroup() as group:
        for kind in kinds:
            group.create_task(one(kind))


@pytest.mark.timeout(900)
async def test_mixed_runs_leave_permits_containers_tasks_and_descriptors_where_they_were(
    bench: Bench,
) -> None:
    async with bench.manager(PERMITS) as (running, address):
        async with strict_node(address, bench.folder) as node:
            # Answered, it has taken over what an earlier manager left: what rests now rests for good.
            await node.status()
            resting = len(running.background)
            await many(Traffic(running, node, bench.store), WARM_UP, IN_FLIGHT)
        await quiet(running, resting)
        tasks = len(asyncio.all_tasks())
        # A descriptor lost per run of a single kind would be twice as many, every time. The engine's pool of
        # connections grows to its size once.
        for _ in range(BATCHES):
            files = descriptors()
            async with strict_node(address, bench.folder) as node:
                traffic = Traffic(running, node, bench.store)
                await many(traffic, RUNS - WARM_UP, IN_FLIGHT)
            await quiet(running, resting)
            more = await settled_growth(files, (RUNS - WARM_UP) // len(traffic.kinds) // 2)
            if more is None:
                break
        else:
            raise AssertionError(f"descriptors grow with the runs: {more}")

        permits = running.executions.statistics().permits
        assert (permits.in_use, permits.waiting) == (0, 0)
        assert running.runtime.statistics().instances == 0
        assert await bench.containers() == []
        assert list((bench.state_dir / "instances").glob("*")) == []
        # Connections of clients that have gone are let go a moment later.
        await until(lambda: len(asyncio.all_tasks()) <= tasks)

"""Managers that are killed, and their successors on the same state directory (manager-api 7, W4, W5)."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import docker
import pytest

from orchestrator.journal_location import JOURNAL_FILE
from orchestrator.node.store import NodeStore
from tests.e2e.chain import source
from tests.e2e.manager_process import ManagerProcess, close, start_manager
from tests.e2e.strict_node import Listener, StrictNode, staged, strict_node
from tests.until import until_told, wait_until

CODE = source("behaviour.py")


@dataclass
class Succession:
    """One manager after the other on one state directory, and a node that stays."""

    engine: docker.APIClient
    folder: Path
    sockets: Path
    store: NodeStore
    exits: AsyncExitStack
    managers: list[ManagerProcess] = field(default_factory=list)
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)

    async def next(self) -> StrictNode:
        """A manager that listens; the node's way to it."""
        self.managers.append(await asyncio.to_thread(start_manager, self.folder, permits=2))
        address = await asyncio.to_thread(lambda: self.managers[-1].address)
        return await self.exits.enter_async_context(strict_node(address, self.sockets))

    async def kill(self) -> None:
        """SIGKILL: the manager says nothing and tidies nothing."""
        self.managers[-1].process.kill()
        await asyncio.to_thread(close, self.managers[-1])

    async def listener(self, node: StrictNode, method: str = "good") -> Listener:
        """A node that answers nothing before `may_answer`, so that its run cannot end."""

        async def hold() -> None:
            await self.may_answer.wait()

        stage = await staged(self.store, CODE, method)
        return await self.exits.enter_async_context(node.listener(stage, before_answers=hold))

    async def no_container_left(self) -> None:
        left = self.managers[-1].containers
        await asyncio.to_thread(wait_until, lambda: left(self.engine) == [])


@pytest.fixture
async def managers(
    engine: docker.APIClient, executor_image: str, folder: Path, store: NodeStore
) -> AsyncIterator[Succession]:
    async with AsyncExitStack() as exits:
        path = Path(tempfile.mkdtemp(prefix="genvm-e2e-"))
        exits.callback(shutil.rmtree, path)
        made = Succession(engine, path, folder, store, exits)
        yield made
        assert await asyncio.to_thread(close, made.managers[-1]) == 0
        await made.no_container_left()


async def test_a_run_under_way_ends_under_the_next_manager_as_if_nothing_had_happened(
    managers: Succession,
) -> None:
    node = await managers.next()
    listener = await managers.listener(node)
    run_id = await node.post(listener.uri)
    await listener.first_byte.wait()
    await managers.kill()
    node = await managers.next()
    assert await node.get(run_id) is None
    managers.may_answer.set()
    await listener.ended.wait()
    status = await node.finished(run_id)
    assert listener.stage.result is not None
    assert (listener.stage.result[0], status["cause"], status["result_code"]) == (0, "exited", 0)
    assert listener.connections == 1
    await managers.no_container_left()


async def test_a_run_under_way_can_be_ended_by_the_next_manager(managers: Succession) -> None:
    node = await managers.next()
    managers.may_answer.set()
    listener = await managers.listener(node, "spin")
    run_id = await node.post(listener.uri)
    await listener.first_byte.wait()
    await managers.kill()
    node = await managers.next()
    assert (await node.ended(run_id))["cause"] == "cancelled"
    await managers.no_container_left()


async def test_what_was_queued_runs_under_the_next_manager(managers: Succession) -> None:
    node = await managers.next()
    listeners = [await managers.listener(node) for _ in range(4)]
    ids = [await node.post(listener.uri) for listener in listeners]
    await asyncio.gather(*(listener.first_byte.wait() for listener in listeners[:2]))
    await managers.kill()
    node = await managers.next()
    status = await node.status()
    assert (status["permits"]["current"], status["queue"]["depth"]) == (0, 2)
    managers.may_answer.set()
    for listener, run_id in zip(listeners, ids, strict=True):
        await listener.ended.wait()
        assert (await node.finished(run_id))["result_code"] == 0
        assert listener.connections == 1
    await managers.no_container_left()

    async def permits_are_back() -> bool:
        return bool((await node.status())["permits"]["current"] == 2)

    await until_told(permits_are_back)


async def test_what_had_ended_can_be_read_and_no_id_comes_twice(managers: Succession) -> None:
    node = await managers.next()
    managers.may_answer.set()
    seen = await node.run(await staged(managers.store, CODE, "vm_error"))
    assert seen.run_id is not None
    await managers.kill()
    node = await managers.next()
    assert await node.get(seen.run_id) == seen.status
    again = await node.run(await staged(managers.store, CODE, "good"))
    assert again.run_id is not None and again.run_id > seen.run_id


async def test_what_nobody_remembers_is_swept_at_the_next_start(managers: Succession) -> None:
    """The journal is lost: a container that belongs to no run must not go on."""
    node = await managers.next()
    managers.may_answer.set()
    listener = await managers.listener(node, "spin")
    await node.post(listener.uri)
    await listener.first_byte.wait()
    await managers.kill()
    state_dir = managers.managers[0].state_dir
    assert len(managers.managers[0].containers(managers.engine)) == 1
    for file in state_dir.glob(JOURNAL_FILE + "*"):
        file.unlink()
    await managers.next()
    await listener.ended.wait()
    await managers.no_container_left()
    assert list((state_dir / "instances").glob("*")) == []

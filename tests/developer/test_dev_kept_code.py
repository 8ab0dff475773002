"""What a contract was compiled to outlives its run, its instance and its manager."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path

import pytest

from genvm_wire.address import Address
from orchestrator.composition import manager
from orchestrator.embedded import executor_environment
from orchestrator.kits.process import process_runtime
from orchestrator.node.manager_client import ManagerClient
from orchestrator.node.run_report import RunReport
from orchestrator.node.store import NodeStore
from orchestrator.node.transactions import NodeClient
from orchestrator.runtime.port import Runtime
from orchestrator.runtime_name import RuntimeName
from orchestrator.serve import listening
from orchestrator.settings import Settings
from orchestrator.store.codes import DIRECTORY, CodeFiles, KeptCode
from tests.until import until_told

ME = Address(b"\xa1" * 20)
HEAD = """# { "Depends": "py-genlayer:test" }
from genlayer import *

class C(gl.Contract):
    @gl.public.view
    def which(self) -> str:
        return "WHICH"
"""
PADDING = "".join(
    f"    def part_{n}(self, given, least={n}):\n        return given - least\n" for n in range(150)
)
ONE, OTHER = (HEAD.replace("WHICH", which).encode() + PADDING.encode() for which in ("one", "other"))


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path: sockets are in it."""
    with tempfile.TemporaryDirectory(prefix="gk") as path:
        yield Path(path)


@asynccontextmanager
async def node_of(folder: Path, compiled: str, store: NodeStore) -> AsyncIterator[NodeClient]:
    """A node with a manager of its own, whose state directory it may find from before."""

    async def opened(settings: Settings, manager_id: str) -> Runtime:
        return process_runtime(settings, manager_id, executor_environment(compiled))

    settings = Settings(
        runtime=RuntimeName.PROCESS,
        state_dir=folder / "s",
        socket=folder / "m",
        pool_size=1,
        permits=8,
        tokens_file=None,
        operator_socket=None,
        audit_file=None,
        database_url=None,
    )
    async with manager(settings, opened) as running, listening(running) as address:
        await running.recovered()
        async with ManagerClient(address) as client:
            yield NodeClient(store, client)


def answer(report: RunReport) -> object:
    assert report.result is not None and report.counts, (report.failure, report.stderr)
    return report.result.data


def give_to_one_what_is_others(kept: Path) -> None:
    """Nobody but the owner of the directory can; it shows that what lies there is what runs load."""
    compiler = next(kept.iterdir()).read_bytes()[40:72]
    files = CodeFiles(kept)
    others = files.read(compiler, sha256(OTHER).digest())
    assert isinstance(others, KeptCode)
    assert files.read(compiler, sha256(ONE).digest()) not in (None, others)
    files.write(compiler, sha256(ONE).digest(), others)


@pytest.mark.usefixtures("in_this_process")
async def test_what_an_instance_of_its_own_compiled_serves_the_runs_of_the_next_manager(
    folder: Path, compiled: str
) -> None:
    kept = folder / "s" / DIRECTORY
    store = await asyncio.to_thread(NodeStore, ":memory:")
    async with node_of(folder, compiled, store) as node:
        one, other = [(await node.deploy(code, sender=ME)).address for code in (ONE, OTHER)]
        await until_told(lambda: asyncio.to_thread(lambda: len(list(kept.glob("code-*"))) == 2))
        assert [answer(await node.view(at, "which")) for at in (one, other)] == ["one", "other"]
    await asyncio.to_thread(give_to_one_what_is_others, kept)
    async with node_of(folder, compiled, store) as node:
        assert [answer(await node.view(at, "which")) for at in (one, other)] == ["other", "other"]
    await asyncio.to_thread(store.close)

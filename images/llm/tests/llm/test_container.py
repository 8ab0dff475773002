"""The image as a manager runs it: nothing configured in it, no key seen from outside (modules 5)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import docker
import pytest

from genvm_wire.instance_messages import Exit
from genvm_wire.module_messages import Configured, ModuleReady

from .control_channel import Manager
from .talk import KEY, backend

IMAGE = "genvm-llm:latest"
NOBODY_LISTENS = "http://127.0.0.1:1"

PROBE = """
import os

def mock(task):
    found = []
    for name in ("environ", "mem", "maps"):
        try:
            open(f"/proc/{os.getppid()}/{name}", "rb").read(1)
            found.append(name)
        except OSError:
            pass
    return "open: " + " ".join(found)
"""

pytestmark = pytest.mark.engine


@pytest.fixture
def manager() -> Iterator[Manager]:
    with TemporaryDirectory(prefix="llm") as name:
        directory = Path(name)
        directory.chmod(0o755)
        manager = Manager(directory / "control.sock")
        manager.path.chmod(0o777)
        yield manager
        manager.close()


@asynccontextmanager
async def container(manager: Manager) -> AsyncIterator[Any]:
    client = await asyncio.to_thread(docker.from_env)

    def start() -> Any:
        return client.containers.run(
            IMAGE,
            detach=True,
            read_only=True,
            network_mode="none",
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            volumes={str(manager.path.parent): {"bind": "/run/genvm", "mode": "ro"}},
        )

    running = await asyncio.to_thread(start)
    try:
        yield running
    finally:
        await asyncio.to_thread(running.remove, force=True)
        await asyncio.to_thread(client.close)


async def test_the_key_is_nowhere_and_a_policy_cannot_read_the_module(manager: Manager) -> None:
    async with container(manager) as running:
        assert isinstance(await manager.accept(), ModuleReady)
        config: Any = {"backends": {"b": backend(NOBODY_LISTENS)}}
        assert isinstance(await manager.configure(1, config), Configured)
        failed = await manager.ask(7, "a prompt nobody logs")
        assert "NO_PROVIDER_FOR_PROMPT" in str(failed)
        await manager.configure(2, {**config, "policy_source": PROBE})
        assert await manager.ask(8, "x") == {"Ok": {"consumed_gen": 0, "data": "open: "}}

        def seen() -> str:
            running.reload()
            return f"{running.attrs}{running.top()}{running.logs().decode()}"

        outside = await asyncio.to_thread(seen) + str(manager.everything)
        assert KEY not in outside
        assert "a prompt nobody logs" not in outside
        await manager.send(Exit())
        assert (await asyncio.to_thread(running.wait))["StatusCode"] == 0

"""Row 21: a run ends at its deadline though its manager is dead."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from tests.e2e.manager_process import ManagerProcess, close, start_manager
from tests.e2e.strict_node import strict_node
from tests.hostile.conftest import MEMORY, PROGRAMS, Pass
from tests.hostile.site import Site, manifest
from tests.until import wait_until

LONGEST_RUN = 8
"""Seconds: time to start on a busy machine, and to be told to be deaf."""
END_GRACE = 0.5
"""Seconds: who heeds nothing needs none."""


@pytest.fixture
def managers(
    engine: docker.APIClient, hostile: str, run_pass: Pass, tmp_path: Path
) -> Iterator[Callable[[], ManagerProcess]]:
    """Managers on one state directory; the last one of them takes away what is left."""
    file = tmp_path / "manifest.yaml"
    file.write_text(manifest(hostile))
    place = Path(tempfile.mkdtemp(prefix="genvm-hostile-"))
    settings: dict[str, Any] = {"manifest": file, "instance_memory_bytes": MEMORY, "permits": 2}
    settings |= {"longest_run": LONGEST_RUN, "end_grace": END_GRACE}

    def start() -> ManagerProcess:
        return start_manager(place, program=PROGRAMS[run_pass.name], **settings)

    yield start
    last = start()
    assert last.address
    last.wait_idle(engine)
    assert close(last) == 0
    shutil.rmtree(place)


async def test_a_run_that_heeds_nothing_ends_at_its_deadline_without_a_manager(
    engine: docker.APIClient, managers: Callable[[], ManagerProcess], folder: Path
) -> None:
    manager = managers()
    async with strict_node(manager.address, folder) as node:
        site = Site(engine, manager, node, folder)
        async with site.attack("processes.heed_nothing", ended=False) as attack:
            await attack.node.hears("deaf")
            manager.process.kill()
            await asyncio.to_thread(close, manager)
            [container] = manager.containers(engine)
            await asyncio.to_thread(
                wait_until, lambda: not engine.inspect_container(container)["State"]["Running"]
            )
            await attack.node.ended.wait()

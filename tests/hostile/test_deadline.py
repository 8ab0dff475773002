"""Row 21: a run ends at its deadline though its manager is dead."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path

import docker

from tests.e2e.manager_process import close, start_manager, wait_until
from tests.e2e.strict_node import strict_node
from tests.hostile.conftest import MEMORY, PROGRAMS, Pass
from tests.hostile.site import Site, manifest

LONGEST_RUN = 8
"""Seconds: time to start on a busy machine, and to be told to be deaf."""
ENDED_BOUND = 120.0


async def test_a_run_that_heeds_nothing_ends_at_its_deadline_without_a_manager(
    engine: docker.APIClient, hostile: str, run_pass: Pass, folder: Path, tmp_path: Path
) -> None:
    file = tmp_path / "manifest.yaml"
    file.write_text(manifest(hostile))
    place = Path(tempfile.mkdtemp(prefix="genvm-hostile-"))
    settings = {"manifest": file, "instance_memory_bytes": MEMORY, "longest_run": LONGEST_RUN, "permits": 2}
    program = PROGRAMS[run_pass.name]
    manager = start_manager(place, program=program, **settings)
    async with strict_node(manager.address, folder) as node:
        site = Site(engine, manager, node, folder)
        async with site.attack("processes.heed_nothing", ended=False) as attack:
            await attack.node.hears("deaf")
            manager.process.kill()
            await asyncio.to_thread(close, manager)
            [container] = manager.containers(engine)
            await asyncio.to_thread(
                wait_until,
                lambda: not engine.inspect_container(container)["State"]["Running"],
                ENDED_BOUND,
                "the container to end by itself",
            )
            await attack.node.ended.wait()
    successor = start_manager(place, program=program, **settings)
    assert successor.address
    await asyncio.to_thread(successor.wait_idle, engine)
    assert close(successor) == 0
    shutil.rmtree(place)

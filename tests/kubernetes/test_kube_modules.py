"""Modules as Pods: runs in other Pods have their sessions there, and the next manager finds them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import docker
import pytest

from tests.chaos.cluster_site import ClusterSite
from tests.integration.conftest import base_image, engine
from tests.integration.modules.conftest import MANIFEST, Scene, scripted_images

__all__ = ["base_image", "engine", "scripted_images"]


@pytest.fixture
async def scene(engine: docker.APIClient, scripted_images: str) -> AsyncIterator[Scene]:
    place = Path(tempfile.mkdtemp(prefix="genvm-m-"))
    manifest = place / "manifest.yaml"
    manifest.write_text(MANIFEST)
    settings: dict[str, object] = {
        "permits": 120,
        "manifest": manifest,
        "llm_image": f"{scripted_images}:llm",
        "web_image": f"{scripted_images}:web",
        # However busy the machine is: it is looked at what comes, not when.
        "module_usage_timeout": 120,
    }
    site = ClusterSite(engine, place, settings)
    try:
        await site.start()
        async with AsyncExitStack() as exits:
            yield Scene(engine, site, exits)
        assert await site.stop() == 0
        assert await site.containers() == []
    finally:
        if site.manager is not None:
            await site.kill()
        await site.clear()
        shutil.rmtree(place)


async def test_a_run_has_its_sessions_in_other_pods_also_after_the_manager_is_another(scene: Scene) -> None:
    await scene.start_both()
    before = {kind: (await scene.module(kind))["container_id"] for kind in ("llm", "web")}
    for goes_on in (True, False):
        run_id = await scene.run({"module": "llm"}, {"module": "web"}, {"module": "llm"})
        status, said = await scene.finished(run_id)
        assert [one["Ok"]["run"] for one in said] == [run_id] * 3, status
        assert status["metrics"]["llm"]["scripting"]["requests_count"] == 2
        assert status["metrics"]["web"]["requests_count"] == 1
        if goes_on:
            await scene.restart_manager()
            for kind, container in before.items():
                await scene.until(kind, state="running", container_id=container)

"""The browser of a running web module, looked at from the host: each page behind two walls, not one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import docker

from tests.integration.modules.conftest import Scene
from tests.integration.modules.test_real_modules import (  # noqa: F401  (fixtures)
    World,
    changes,
    module_images,
    rendering,
    world,
)
from tests.until import until_told


@dataclass(frozen=True)
class Seen:
    """A process of the module's container; `depth` counts the pid namespaces around it."""

    command: str
    depth: int
    inner_pid: int
    seccomp: str
    filters: int
    privileges: str


def processes(engine: docker.APIClient, container: str) -> Iterator[Seen]:
    """Those that are still there. Blocking."""
    for row in engine.top(container)["Processes"]:
        try:
            command = Path(f"/proc/{row[1]}/cmdline").read_bytes().replace(b"\0", b" ").decode()
            text = Path(f"/proc/{row[1]}/status").read_text()
        except OSError:
            continue
        status = dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
        pids = status["NSpid"].split()
        yield Seen(
            command,
            len(pids),
            int(pids[-1]),
            status["Seccomp"],
            int(status["Seccomp_filters"]),
            status["NoNewPrivs"] + status["CapEff"],
        )


async def test_renderers_are_locked_in_by_the_browser_s_own_sandbox_too(
    scene: Scene,
    world: World,  # noqa: F811
) -> None:
    """Own namespaces, filters on top of the container's, nothing that switches the sandbox off."""
    config = {**world.web_config, "max_wait_after_loaded": 60}
    assert (await scene.order("start", "Web", config=config))[0] == 200
    question = rendering(world)
    question["request"]["Render"][0]["wait_after_loaded"] = "5s"
    run_id = await scene.run(question)
    container = (await scene.module("web"))["container_id"]
    seen: list[Seen] = []
    renderers: list[Seen] = []
    browsers: list[Seen] = []

    async def walls_are_up() -> bool:
        """One that has just begun is still putting them up; one that is without them never gets here."""
        nonlocal seen, renderers, browsers
        seen = await asyncio.to_thread(lambda: list(processes(scene.engine, container)))
        renderers = [one for one in seen if "--type=renderer" in one.command]
        browsers = [one for one in seen if "--genvm-browser=" in one.command]
        within = max((one.filters for one in browsers if "--type=" not in one.command), default=0)
        return bool(renderers) and all(one.inner_pid == 1 and one.filters > within for one in renderers)

    await until_told(walls_are_up)
    (browser,) = [one for one in browsers if "--type=" not in one.command]
    assert browser.seccomp == "2"
    for renderer in renderers:
        assert renderer.seccomp == "2"
        assert renderer.depth > browser.depth
        assert renderer.privileges == "1" + "0" * 16
    assert not [one.command for one in seen if "--no-sandbox" in one.command]
    assert not [one.command for one in seen if "--disable-seccomp" in one.command]
    _, (rendered,) = await scene.finished(run_id)
    assert "EUR 1.08" in rendered["Ok"]["text"]

"""Modules in real containers: locked in, adopted by the next manager, revived, and no trace of secrets."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import docker
import pytest

from tests.e2e.manager_process import MANAGED_BY
from tests.integration.modules.conftest import Scene, networks
from tests.until import until_told

SECRET = "sk-one-secret-of-the-operator"


async def inspected(scene: Scene, kind: str) -> dict[str, Any]:
    found: dict[str, Any] = scene.engine.inspect_container((await scene.module(kind))["container_id"])
    return found


async def test_a_module_is_as_locked_in_as_an_executor_but_for_its_network(scene: Scene) -> None:
    await scene.start_both()
    for kind in ("llm", "web"):
        host = (await inspected(scene, kind))["HostConfig"]
        assert (host["ReadonlyRootfs"], host["CapDrop"], host["Privileged"]) == (True, ["ALL"], False)
        assert "no-new-privileges:true" in host["SecurityOpt"]
        assert host["Memory"] == host["MemorySwap"] > 0
        assert host["PidsLimit"] > 0
        (mount,) = host["Mounts"]
        assert (mount["Target"], mount["ReadOnly"]) == ("/run/genvm", True)


async def test_modules_share_a_network_of_the_manager_and_cannot_talk_to_each_other(scene: Scene) -> None:
    await scene.start_both()
    (name,) = networks(scene.engine, scene.site)
    network = scene.engine.inspect_network(name)
    assert network["Options"]["com.docker.network.bridge.enable_icc"] == "false"
    assert len(network["Containers"]) == 2
    # Where packets have to be smaller, the engine's own bridge knows it and new ones do not.
    mtu = "com.docker.network.driver.mtu"
    assert network["Options"][mtu] == scene.engine.inspect_network("bridge")["Options"][mtu]


async def test_the_next_manager_finds_modules_and_runs_that_use_them(scene: Scene) -> None:
    """W4, W6: nothing of a killed manager's modules is lost, not even what a run used."""
    await scene.start_both()
    before = {kind: (await scene.module(kind))["container_id"] for kind in ("llm", "web")}
    run_id, go_on = await scene.held("llm", {"module": "web"})
    await scene.restart_manager()
    for kind, container in before.items():
        await scene.until(kind, state="running", container_id=container)
    go_on.touch()
    status, said = await scene.finished(run_id)
    assert [one["Ok"]["run"] for one in said] == [run_id, run_id]
    assert status["metrics"]["llm"]["scripting"]["requests_count"] == 1
    assert status["metrics"]["web"]["requests_count"] == 1
    _, later = await scene.finished(await scene.run({"module": "llm"}))
    assert later[0]["Ok"]["tag"] == "first"


async def test_a_draining_module_is_drained_by_the_next_manager_too(scene: Scene) -> None:
    await scene.start_both()
    run_id, go_on = await scene.held("llm", {"module": "llm"})
    assert (await scene.order("restart", "Llm", config={"tag": "second"}))[0] == 200
    await scene.restart_manager()
    await scene.until("llm", state="running", draining=1)
    go_on.touch()
    _, said = await scene.finished(run_id)
    assert [one["Ok"]["tag"] for one in said] == ["first", "first"]
    await scene.until("llm", draining=0)
    _, fresh = await scene.finished(await scene.run({"module": "llm"}))
    assert fresh[0]["Ok"]["tag"] == "second"


async def test_an_adopted_module_can_be_stopped_and_started(scene: Scene) -> None:
    await scene.start_both()
    await scene.restart_manager()
    await scene.until("llm", state="running")
    assert await scene.order("start", "Llm", config={}) == (500, {"error": "module_already_running"})
    assert await scene.order("stop", "Llm") == (200, {"result": "module_stopped"})
    assert await scene.order("start", "Llm", config={}) == (200, {"result": "module_started"})


async def test_a_module_that_was_lost_meanwhile_is_started_again_from_the_default_file_alone(
    scene: Scene,
) -> None:
    """A configuration that was posted may hold secrets in clear: it is kept nowhere but in the module."""
    assert (await scene.order("start", "Llm", config=None, allow_empty_backends=True))[0] == 200
    assert (await scene.order("start", "Web", config={}))[0] == 200
    containers = [(await scene.module(kind))["container_id"] for kind in ("llm", "web")]
    await scene.site.kill()
    for container in containers:
        await asyncio.to_thread(scene.engine.remove_container, container, force=True)
    await scene.site.start()
    revived = await scene.until("llm", state="running")
    assert revived["notes"] == ["flags False True"]
    lost = await scene.until("web", state="stopped", starting=False)
    assert "gone" in lost["trouble"]


async def test_a_container_that_dies_is_replaced_within_seconds(scene: Scene) -> None:
    await scene.start_both()
    container = (await scene.module("web"))["container_id"]
    await asyncio.to_thread(scene.engine.kill, container)
    revived = await scene.until("web", state="running", restarts=1)
    assert revived["container_id"] != container


@pytest.mark.parametrize("changes", [{"shutdown_policy": "detach"}])
async def test_a_manager_that_detaches_leaves_its_modules(scene: Scene) -> None:
    await scene.start_both()
    before = (await scene.module("llm"))["container_id"]
    assert await scene.site.stop() == 0
    await scene.site.start()
    await scene.until("llm", state="running", container_id=before)
    await scene.until("web", state="running")
    for kind in ("Llm", "Web"):
        await scene.order("stop", kind)
    await scene.until("llm", draining=0)
    await scene.until("web", draining=0)


async def test_fifty_runs_at_once_get_each_its_own_answers_and_lose_none_to_a_restart(scene: Scene) -> None:
    await scene.start_both()
    questions = [{"module": module, "sleep": 0} for module in ("llm", "web") * 3]
    questions[2]["sleep"] = 2
    run_ids = await asyncio.gather(*(scene.run(*questions) for _ in range(50)))
    assert (await scene.order("restart", "Llm", config={"tag": "second"}))[0] == 200
    for run_id in run_ids:
        status, said = await scene.finished(run_id)
        assert [one["Ok"]["run"] for one in said] == [run_id] * 6
        assert len({one["Ok"]["tag"] for one in said[::2]}) == 1
        assert status["metrics"]["llm"]["scripting"]["requests_count"] == 3


def said_of(engine: docker.APIClient, container: str) -> bytes:
    """Everything that others may learn of a container: its inspection, its output, its processes."""
    text = json.dumps(engine.inspect_container(container)).encode() + engine.logs(container)
    for process in engine.top(container)["Processes"]:
        for file in ("cmdline", "environ"):
            text += Path(f"/proc/{process[1]}/{file}").read_bytes()
    return text


def managed(scene: Scene) -> list[dict[str, Any]]:
    """All containers of the scene's manager. Blocking."""
    assert scene.site.manager is not None
    filters = {"label": f"{MANAGED_BY}={scene.site.manager.manager_id}"}
    found: list[dict[str, Any]] = scene.engine.containers(all=True, filters=filters)
    return found


@pytest.mark.parametrize("changes", [{"log_level": "debug"}])
async def test_a_secret_is_nowhere_to_be_found(scene: Scene, place: Path) -> None:
    """Issue 6: no key in inspect output, labels, logs, process lists, error bodies or the journal."""
    assert (await scene.ask("POST", "/env", json={"key": "TEST_KEY", "value": SECRET}))[0] == 200
    key = {"key": "${ENV[TEST_KEY]}", "log": "connecting with ${ENV[TEST_KEY]}"}
    await scene.start_both(**key)
    await scene.finished(await scene.run({"module": "llm"}, {"module": "web"}))
    broken = {"fail": "refused ${ENV[TEST_KEY]}", **key}
    assert await scene.order("restart", "Llm", config=broken) == (500, {"error": "refused ***"})
    texts = {"status": json.dumps((await scene.ask("GET", "/status"))[1]).encode()}
    texts["errors"] = "".join(scene.errors).encode()
    # The run's own is being taken away.
    await until_told(scene.site.no_containers)
    for container in (listed := await asyncio.to_thread(managed, scene)):
        texts[container["Names"][0]] = await asyncio.to_thread(said_of, scene.engine, container["Id"])
    assert len(listed) == 2
    for path in sorted(place.rglob("*")):
        if path.is_file():
            texts[str(path)] = path.read_bytes()
    manager = scene.site.manager
    assert manager is not None
    texts["log"] = json.dumps(manager.log).encode()
    for file in ("cmdline", "environ"):
        texts[file] = Path(f"/proc/{manager.process.pid}/{file}").read_bytes()
    assert len(texts) > 8
    assert b"connecting with ***" in texts["log"]
    assert [name for name, text in texts.items() if SECRET.encode() in text] == []
    assert os.environ.get("TEST_KEY") is None

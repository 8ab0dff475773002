"""The packet filter below the web module, tried by a process in the module's own container.

The module is scripted: the filter is there for what a module does when it is no longer ours.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing

import docker
import pytest

from tests.engine_bridge import address_on
from tests.integration.modules.conftest import Scene, networks

DIAL = """
import json, socket, sys
found = []
for host, port in json.loads(sys.argv[1]):
    try:
        socket.create_connection((host, port), timeout=20).close()
        found.append("open")
    except OSError as error:
        found.append(error.strerror or type(error).__name__)
print(json.dumps(found))
"""
OPEN, CLOSED = "open", "Network is unreachable"


@pytest.fixture
def changes(request: pytest.FixtureRequest) -> dict[str, object]:
    return {"egress_filter": getattr(request, "param", "on")}


def listening(stack: ExitStack, address: str) -> int:
    """A port there, whose queue takes the connections."""
    server = stack.enter_context(closing(socket.create_server((address, 0), backlog=64)))
    port: int = server.getsockname()[1]
    return port


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as held:
        yield held


def dial(engine: docker.APIClient, container: str, *doors: tuple[str, int]) -> list[str]:
    """What a process in the container finds there, as the module's user. Blocking."""
    made = engine.exec_create(container, ["python3", "-c", DIAL, json.dumps(doors)])
    printed: list[str] = json.loads(engine.exec_start(made["Id"]))
    return printed


async def container_of(scene: Scene) -> str:
    return str((await scene.until("web", state="running"))["container_id"])


@pytest.mark.parametrize("changes", ["on", "off"], indirect=True)
async def test_only_what_the_configuration_names_is_reached_of_the_machine(
    scene: Scene, changes: dict[str, object], stack: ExitStack
) -> None:
    """A listener on the module's own bridge and one on the machine's other one; the second is allowed."""
    allowed = address_on(scene.engine)
    config = {"always_allow_hosts": [allowed], "own_addresses": [allowed]}
    assert (await scene.order("start", "Web", config=config))[0] == 200
    (own,) = networks(scene.engine, scene.site)
    other = address_on(scene.engine, own)
    doors = [(allowed, listening(stack, allowed)), (other, listening(stack, other))]
    filtered = changes["egress_filter"] == "on"
    expected = [OPEN, CLOSED if filtered else OPEN]
    container = await container_of(scene)
    assert await asyncio.to_thread(dial, scene.engine, container, *doors) == expected
    # Whatever brings another container brings another filter.
    scene.engine.kill(container)
    await scene.until("web", restarts=1, state="running")
    revived = await container_of(scene)
    assert revived != container
    assert await asyncio.to_thread(dial, scene.engine, revived, *doors) == expected


async def test_a_signer_that_a_run_names_is_let_through_and_its_neighbours_are_not(
    scene: Scene, stack: ExitStack
) -> None:
    assert (await scene.order("start", "Web", config={"tag": "x"}))[0] == 200
    assert (await scene.order("start", "Llm", config={"tag": "x"}))[0] == 200
    machine = address_on(scene.engine)
    signer, neighbour = listening(stack, machine), listening(stack, machine)
    doors = [(machine, signer), (machine, neighbour)]
    container = await container_of(scene)
    assert await asyncio.to_thread(dial, scene.engine, container, *doors) == [CLOSED, CLOSED]
    run_id = await scene.run({"module": "web"}, signerUrl=f"http://host.docker.internal:{signer}/sign")
    await scene.finished(run_id)
    assert await asyncio.to_thread(dial, scene.engine, container, *doors) == [OPEN, CLOSED]


@pytest.mark.parametrize("changes", ["off"], indirect=True)
async def test_a_module_without_a_filter_is_not_taken_over_where_it_has_to_have_one(scene: Scene) -> None:
    assert (await scene.order("start", "Web", config=None))[0] == 200
    before = await container_of(scene)
    scene.site.settings["egress_filter"] = "on"
    await scene.restart_manager()
    await scene.until("web", state="running", restarts=1)
    assert await container_of(scene) != before

"""A manager process with scripted programs in real containers; it can be killed and followed by another."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
import pytest
from aiohttp import ClientSession, ClientTimeout, UnixConnector

from tests.chaos.site import Site
from tests.integration.manager.conftest import SCRIPTED, SCRIPTED_MODULE, ZERO, listening_node
from tests.until import until_told

IMAGE = "genvm-test-scripted"
COMMANDS = {"executor": "scripted.py", "llm": "scripted_module.py", "web": "scripted_module.py"}
MANIFEST = f"""
executor_versions:
  v0.2.7: {{available_after: 2024-01-01T00:00:00Z, image: "{IMAGE}:executor"}}
"""


def build(engine: docker.APIClient, base: str, name: str) -> None:
    command = json.dumps(["python3", f"/opt/{COMMANDS[name]}", name])
    dockerfile = f"FROM {base}\nCOPY *.py /opt/\nCMD {command}\n"
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as tar:
        files = {path.name: path.read_bytes() for path in (SCRIPTED, SCRIPTED_MODULE)}
        for file, data in {"Dockerfile": dockerfile.encode(), **files}.items():
            info = tarfile.TarInfo(file)
            info.size, info.mode = len(data), 0o644
            tar.addfile(info, io.BytesIO(data))
    context.seek(0)
    for line in engine.build(
        fileobj=context, custom_context=True, tag=f"{IMAGE}:{name}", rm=True, decode=True
    ):
        assert "error" not in line, line


@pytest.fixture(scope="session")
def scripted_images(engine: docker.APIClient, base_image: str) -> str:
    for name in COMMANDS:
        build(engine, base_image, name)
    return IMAGE


@dataclass
class Scene:
    """One manager after the other on one state directory, and nodes that stay."""

    engine: docker.APIClient
    site: Site
    exits: AsyncExitStack
    hosts: int = 0
    errors: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def session(self) -> AsyncIterator[ClientSession]:
        connector = UnixConnector(str(self.site.api))
        async with ClientSession("http://m", connector=connector, timeout=ClientTimeout(total=150)) as made:
            yield made

    async def ask(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        async with self.session() as session, session.request(method, path, **options) as response:
            answer = await response.json()
            if response.status != 200:
                self.errors.append(json.dumps(answer))
            return response.status, answer

    async def order(self, what: str, kind: str, **body: Any) -> tuple[int, Any]:
        return await self.ask("POST", f"/module/{what}", json={"module_type": kind, **body})

    async def start_both(self, **config: Any) -> None:
        for kind in ("Llm", "Web"):
            answer = await self.order("start", kind, config={"tag": "first", **config})
            assert answer == (200, {"result": "module_started"})

    async def module(self, kind: str) -> dict[str, Any]:
        found: dict[str, Any] = (await self.ask("GET", "/status"))[1]["modules"][kind]
        return found

    async def run(self, *questions: dict[str, Any], **host_data: str) -> int:
        """A run that asks the modules, accepted."""
        self.hosts += 1
        host = f"unix://{self.site.folder}/host_{self.hosts}"
        await self.exits.enter_async_context(listening_node(host))
        message = dict.fromkeys(("contract_address", "sender_address", "origin_address"), ZERO)
        body = {
            "major": 0,
            "message": {**message, "value": None, "chain_id": "0", "is_init": False},
            "is_sync": False,
            "capture_output": True,
            "host_data": json.dumps(
                {"ask": list(questions), "node_address": "0xnode", "tx_id": "0xtx", **host_data}
            ),
            "timestamp": "2024-11-26T06:42:42.424242Z",
            "host": host,
        }
        status, answer = await self.ask("POST", "/genvm/run", json=body)
        assert status == 200, answer
        return int(answer["id"])

    async def until(self, kind: str, **expected: Any) -> dict[str, Any]:
        """The module's status as soon as it has the expected values."""

        async def as_expected() -> dict[str, Any] | None:
            found = await self.module(kind)
            return found if expected.items() <= found.items() else None

        return await until_told(as_expected)

    async def finished(self, run_id: int) -> tuple[dict[str, Any], list[Any]]:
        """The final status, and the modules' answers in it."""
        status = None
        while status is None:
            _, answer = await self.ask("GET", f"/genvm/{run_id}", params={"wait": "60s"})
            status = answer["status"]
        return status, [json.loads(line) for line in status["stdout"].splitlines()]

    async def held(self, kind: str, *later: dict[str, Any]) -> tuple[int, Path]:
        """A run whose question the module answers when the file is made, before it asks others."""
        instance = (await self.module(kind))["instance"]
        run_id = await self.run({"module": kind, "held": True}, *later)
        await self.until(kind, sessions=1)
        return run_id, self.site.state_dir / "instances" / instance / "go_on"

    async def restart_manager(self) -> None:
        """SIGKILL, and a new one."""
        await self.site.kill()
        await self.site.start()


@pytest.fixture
def place() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="genvm-m-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def changes() -> dict[str, object]:
    """Settings that a test changes."""
    return {}


@pytest.fixture
async def scene(
    engine: docker.APIClient, scripted_images: str, place: Path, changes: dict[str, object]
) -> AsyncIterator[Scene]:
    """What a manager that ends properly leaves is an error: containers, directories, networks."""
    manifest = place / "manifest.yaml"
    manifest.write_text(MANIFEST)
    settings: dict[str, object] = {
        "permits": 120,
        "manifest": manifest,
        "llm_image": f"{scripted_images}:llm",
        "web_image": f"{scripted_images}:web",
        "end_grace": 0.5,
        # However busy the machine is: tests look at what comes, not when.
        "module_usage_timeout": 120,
        **changes,
    }
    site = Site(engine, place, settings)
    await site.start()
    try:
        async with AsyncExitStack() as exits:
            yield Scene(engine, site, exits)
        if site.manager is not None:
            assert await site.stop() == 0
            assert await site.containers() == []
            assert list((place / "state" / "instances").glob("*")) == []
            assert networks(engine, site) == []
    finally:
        if site.manager is not None:
            await site.kill()
        await site.clear()
        for name in networks(engine, site):
            engine.remove_network(name)


def networks(engine: docker.APIClient, site: Site) -> list[str]:
    identity = (site.state_dir / "manager-id").read_text("ascii")
    return [one["Name"] for one in engine.networks() if identity in one["Name"]]

"""The project's own modules behind a manager: started, asked by runs, restarted (docs/module-protocol.md).

Instances are scripted: what is looked at is that manager and modules understand each other, and that a module
can do its work with the network, memory and file systems that it is given.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import docker
import docker.errors
import pytest
from aiohttp import web

from tests.engine_bridge import address_on
from tests.integration.modules.conftest import Scene

WEB_IMAGE, LLM_IMAGE = "genvm-web:latest", "genvm-llm:latest"
HOST = "host.docker.internal"
SECRET = "sk-one-secret-of-the-operator"
PAGE = "<html><body><h1>Rates</h1><p>EUR 1.08</p></body></html>"
SIZE_LIMIT = 1_000_000


@dataclass
class World:
    """A web site and a language model's API on the machine, where the modules' network reaches it."""

    port: int
    keys: list[str] = field(default_factory=list)
    prompts: list[str] = field(default_factory=list)

    def page(self, **changes: Any) -> dict[str, Any]:
        return {"url": f"http://{HOST}:{self.port}/rates", **changes}

    @property
    def web_config(self) -> dict[str, Any]:
        return {"always_allow_hosts": [HOST]}

    @property
    def llm_config(self) -> dict[str, Any]:
        backend = {
            "provider": "openai-compatible",
            "host": f"http://{HOST}:{self.port}",
            "key": "${ENV[TEST_KEY]}",
            "models": {"small": {"supports_json": True}},
        }
        return {"backends": {"main": backend}}


@pytest.fixture(autouse=True, scope="module")
def module_images(engine: docker.APIClient) -> None:
    for image in (WEB_IMAGE, LLM_IMAGE):
        try:
            engine.inspect_image(image)  # type: ignore[no-untyped-call]
        except docker.errors.ImageNotFound:
            pytest.fail(f"image {image} is missing; `make images` builds it", pytrace=False)


@pytest.fixture
def changes() -> dict[str, object]:
    return {"web_image": WEB_IMAGE, "llm_image": LLM_IMAGE}


@pytest.fixture
async def world(engine: docker.APIClient) -> AsyncIterator[World]:
    """It listens where `host.docker.internal` leads: on the engine's own bridge."""
    address = await asyncio.to_thread(address_on, engine)
    made = World(0)

    async def rates(_: web.Request) -> web.Response:
        return web.Response(text=PAGE, content_type="text/html")

    async def complete(request: web.Request) -> web.Response:
        body = await request.json()
        made.keys.append(request.headers.get("Authorization", ""))
        made.prompts.append(json.dumps(body["messages"]))
        message = {"role": "assistant", "content": '{"answer": "yes"}'}
        usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
        return web.json_response({"choices": [{"message": message, "finish_reason": "stop"}], "usage": usage})

    app = web.Application()
    app.router.add_get("/rates", rates)
    app.router.add_post("/v1/chat/completions", complete)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, address, 0).start()
    made.port = runner.addresses[0][1]
    yield made
    await runner.cleanup()


async def start_both(scene: Scene, world: World) -> None:
    assert (await scene.ask("POST", "/env", json={"key": "TEST_KEY", "value": SECRET}))[0] == 200
    for kind, config in (("Web", world.web_config), ("Llm", world.llm_config)):
        answer = await scene.order("start", kind, config=config)
        assert answer == (200, {"result": "module_started"})


def fetching(world: World) -> dict[str, Any]:
    payload = world.page(method="GET", headers={}, body=None, sign=False)
    return {"module": "web", "request": {"Request": [payload, SIZE_LIMIT]}}


def rendering(world: World) -> dict[str, Any]:
    payload = world.page(mode="text", wait_after_loaded="0ms")
    return {"module": "web", "request": {"Render": [payload, SIZE_LIMIT]}}


def prompting(text: str) -> dict[str, Any]:
    payload = {"prompt": text, "response_format": "json", "images": []}
    return {"module": "llm", "request": {"Prompt": {"payload": payload, "remaining_fuel_as_gen": 10**18}}}


async def test_a_run_fetches_a_page_renders_it_and_asks_a_model(scene: Scene, world: World) -> None:
    await start_both(scene, world)
    run_id = await scene.run(fetching(world), rendering(world), prompting("is EUR above USD?"))
    status, (fetched, rendered, judged) = await scene.finished(run_id)
    assert fetched["Ok"]["response"]["status"] == 200
    assert fetched["Ok"]["response"]["body"] == PAGE
    assert "EUR 1.08" in rendered["Ok"]["text"]
    assert json.loads(judged["Ok"]["data"]) == {"answer": "yes"}
    assert world.keys == [f"Bearer {SECRET}"]
    assert status["metrics"]["web"]["requests_count"] == 2
    assert status["metrics"]["llm"]["tokens"]["main/small"]["total"] == 5


async def test_without_a_backend_llm_is_refused_and_says_why(scene: Scene) -> None:
    """manager-api 3.2, W14."""
    config = {"backends": {"main": {"provider": "openai-compatible", "host": "https://a.example", "key": ""}}}
    status, answer = await scene.order("start", "Llm", config=config)
    assert status == 500
    assert "no valid backend detected" in answer["error"]
    assert "main" in answer["error"]
    allowed = await scene.order("start", "Llm", config=config, allow_empty_backends=True)
    assert allowed == (200, {"result": "module_started"})


async def test_with_user_error_every_request_is_answered_so(scene: Scene) -> None:
    """modules 1.12."""
    for kind in ("Llm", "Web"):
        assert (await scene.order("start", kind, config=None, user_error=True))[0] == 200
    anything = {"Request": [{"url": "x"}, 1]}
    _, said = await scene.finished(await scene.run(prompting("?"), {"module": "web", "request": anything}))
    assert said == [{"UserError": {"causes": ["MODULE_USER_ERROR"], "ctx": {}}}] * 2


async def test_both_are_adopted_by_the_next_manager(scene: Scene, world: World) -> None:
    await start_both(scene, world)
    before = [(await scene.module(kind))["container_id"] for kind in ("llm", "web")]
    await scene.restart_manager()
    for kind, container in zip(("llm", "web"), before, strict=True):
        await scene.until(kind, state="running", container_id=container)
    _, said = await scene.finished(await scene.run(fetching(world), prompting("still there?")))
    assert [list(one) for one in said] == [["Ok"], ["Ok"]]


async def test_fifty_runs_at_once_get_each_its_own_answers(scene: Scene, world: World) -> None:
    """Issue 6: no cross-talk, and a restart in the middle loses nobody."""
    await start_both(scene, world)
    run_ids = await asyncio.gather(
        *(scene.run(fetching(world), prompting(f"number {index}"), fetching(world)) for index in range(50))
    )
    assert (await scene.order("restart", "Web", config=world.web_config))[0] == 200
    for run_id in run_ids:
        _, said = await scene.finished(run_id)
        assert [list(one) for one in said] == [["Ok"]] * 3
    assert sorted(world.prompts) == sorted(set(world.prompts))
    assert len(world.prompts) == 50

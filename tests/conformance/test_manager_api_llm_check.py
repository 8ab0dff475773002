"""`POST /llm/check` (manager-api 3.14), with a provider that is played."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from orchestrator.api.llm_check import LONGEST_RESPONSE
from tests.integration.manager.conftest import Client, MakeClient, folder, make_client

__all__ = ["folder", "make_client"]

LONG = "x" * 900 * 1024
PNG = b"\x89PNG\r\n\x1a\n..."
CONFIG = {"host": "http://llm", "provider": "ollama", "model": "m", "key": ""}
PROMPT = {"user_message": "say OK", "temperature": 0.5, "max_tokens": 100}


class Failed(Exception):
    causes = ["STATUS_NOT_OK"]  # noqa: RUF012
    fatal = False

    def __init__(self, key: str) -> None:
        super().__init__("no")
        self.ctx = {"status": 401, "url": f"http://llm/?key={key}", "headers": {"x": "y"}, "body": "secret"}


class Provider:
    """Remembers what it was asked; a model named `bad` fails, one named `slow` waits for all the others."""

    def __init__(self) -> None:
        self.asked: list[tuple[Mapping[str, Any], Mapping[str, Any]]] = []
        self.others_done = asyncio.Event()

    async def __call__(self, config: Mapping[str, Any], prompt: Mapping[str, Any]) -> str:
        self.asked.append((config, prompt))
        if config["model"] == "bad":
            raise Failed(config["key"])
        if config["model"] == "slow":
            await self.others_done.wait()
        self.others_done.set()
        return f"{config['model']}: {prompt['user_message']}"


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest.fixture
async def client(make_client: MakeClient, provider: Provider) -> Client:
    return await make_client(check_llm=provider)


async def checked(client: Client, configs: list[Any], prompts: list[Any]) -> tuple[int, Any]:
    return await client.ask("POST", "/llm/check", json={"configs": configs, "test_prompts": prompts})


async def test_the_answer_is_a_bare_list_model_by_model(client: Client) -> None:
    models = [CONFIG | {"model": name} for name in ("a", "b")]
    prompts = [PROMPT | {"user_message": text} for text in ("x", "y")]
    status, answer = await checked(client, models, prompts)
    assert status == 200
    assert [(one["config_index"], one["prompt_index"], one["response"]) for one in answer] == [
        (0, 0, "a: x"),
        (0, 1, "a: y"),
        (1, 0, "b: x"),
        (1, 1, "b: y"),
    ]
    assert answer[0] == {
        "config_index": 0,
        "prompt_index": 0,
        "available": True,
        "error": None,
        "response": "a: x",
    }


async def test_of_a_long_answer_the_beginning_is_told(client: Client) -> None:
    _, answer = await checked(client, [CONFIG | {"model": "a"}], [PROMPT | {"user_message": "x" * 20_000}])
    assert answer[0]["available"]
    assert answer[0]["response"] == "a: " + "x" * (LONGEST_RESPONSE - 3)


async def test_nothing_asked_is_an_empty_list(client: Client) -> None:
    assert await checked(client, [], [PROMPT]) == (200, [])
    assert await checked(client, [CONFIG], []) == (200, [])


async def test_a_slow_model_holds_no_other_up_and_keeps_its_place(client: Client) -> None:
    _, answer = await checked(client, [CONFIG | {"model": "slow"}, CONFIG], [PROMPT])
    assert [one["response"] for one in answer] == ["slow: say OK", "m: say OK"]


async def test_a_prompt_needs_neither_images_nor_a_token_switch(client: Client, provider: Provider) -> None:
    await checked(client, [CONFIG], [PROMPT])
    _, prompt = provider.asked[0]
    assert (prompt["images"], prompt["use_max_completion_tokens"], prompt["seed"]) == ([], False, None)
    assert (prompt["extra"], prompt["timeout"], prompt["system_message"]) == ({}, 300.0, None)


@pytest.mark.parametrize(
    ("timeout", "seconds"),
    [(5, 5.0), (0.5, 0.5), ("500ms", 0.5), ("1.5s", 1.5), ("2m", 120.0), (None, 300.0)],
)
async def test_a_timeout_is_seconds_or_text(
    client: Client, provider: Provider, timeout: Any, seconds: float
) -> None:
    assert (await checked(client, [CONFIG], [PROMPT | {"timeout": timeout}]))[0] == 200
    assert provider.asked[0][1]["timeout"] == seconds


@pytest.mark.parametrize("image", [list(PNG), "iVBORw0KGgouLi4="])
async def test_an_image_is_byte_values_or_base64(client: Client, provider: Provider, image: Any) -> None:
    await checked(client, [CONFIG], [PROMPT | {"images": [image]}])
    assert provider.asked[0][1]["images"] == [PNG]


async def test_an_image_that_is_neither_fails_its_entry_alone(client: Client) -> None:
    status, answer = await checked(client, [CONFIG], [PROMPT | {"images": ["?"]}, PROMPT])
    assert (status, [one["available"] for one in answer]) == (200, [False, True])
    assert json.loads(answer[0]["error"])["causes"] == ["INVALID_IMAGE"]


async def test_host_and_key_are_templates_and_the_model_is_not(client: Client, provider: Provider) -> None:
    await client.ask("POST", "/env", json={"key": "KEY", "value": "s3cret"})
    config = CONFIG | {"host": "http://${ENV[NOWHERE]}h", "key": "${ENV[KEY]}", "model": "${ENV[KEY]}"}
    await checked(client, [config], [PROMPT])
    asked = provider.asked[0][0]
    assert (asked["host"], asked["key"], asked["model"]) == ("http://h", "s3cret", "${ENV[KEY]}")


async def test_another_variable_fails_its_entry_alone(client: Client) -> None:
    _, answer = await checked(client, [CONFIG | {"key": "${exe}"}, CONFIG], [PROMPT])
    assert [one["error"] for one in answer] == ["unknown variable `exe`", None]


async def test_a_failure_keeps_causes_url_and_status_and_no_secret(client: Client) -> None:
    _, answer = await checked(client, [CONFIG | {"model": "bad", "key": "s3cret-key"}], [PROMPT])
    assert (answer[0]["available"], answer[0]["response"]) == (False, None)
    assert json.loads(answer[0]["error"]) == {
        "causes": ["STATUS_NOT_OK"],
        "fatal": False,
        "ctx": {"url": "http://llm/?key=***", "status": 401},
    }


@pytest.mark.parametrize(
    "body",
    [
        {"configs": [CONFIG | {"provider": "acme"}], "test_prompts": []},
        {"configs": [{"host": "h"}], "test_prompts": []},
        {"configs": []},
        {"configs": [], "test_prompts": [{"user_message": "x"}]},
        {"configs": [], "test_prompts": [PROMPT | {"timeout": "soon"}]},
        {"configs": [CONFIG] * 40, "test_prompts": [PROMPT] * 40},
        [],
    ],
)
async def test_a_malformed_request_fails_as_a_whole(client: Client, body: Any) -> None:
    status, answer = await client.ask("POST", "/llm/check", json=body)
    assert (status, list(answer)) == (500, ["error"])


async def test_a_malformed_request_repeats_no_key(client: Client) -> None:
    body = {"configs": [CONFIG | {"key": "s3cret-key", "provider": "acme"}], "test_prompts": []}
    assert "s3cret" not in str(await client.ask("POST", "/llm/check", json=body))


async def test_the_installed_clients_ask_a_provider(make_client: MakeClient) -> None:
    """The table of section 3.14, first row; the provider listens here."""
    asked: list[Any] = []

    async def complete(request: web.Request) -> web.Response:
        asked.append((request.headers["Authorization"], await request.json()))
        if len(asked) > 1:
            return web.json_response({"error": "s3cret-key is overdrawn"}, status=402)
        return web.json_response({"choices": [{"message": {"content": "OK"}}]})

    app = web.Application()
    app.router.add_post("/v1/chat/completions", complete)
    client = await make_client()
    async with TestServer(app) as server:
        config = CONFIG | {"provider": "openai-compatible", "key": "s3cret-key"}
        config["host"] = f"http://127.0.0.1:{server.port}"
        _, answer = await checked(client, [config], [PROMPT])
        _, refused = await checked(client, [config], [PROMPT])
    assert (answer[0]["available"], answer[0]["response"]) == (True, "OK")
    authorization, body = asked[0]
    assert authorization == "Bearer s3cret-key"
    assert (body["model"], body["max_tokens"], body["stream"]) == ("m", 100, False)
    failure = json.loads(refused[0]["error"])
    assert "STATUS_NOT_OK" in failure["causes"]
    assert failure["ctx"]["status"] == 402
    assert "s3cret" not in str(refused)


@pytest.mark.parametrize(
    ("models", "changes"),
    [
        pytest.param(300, {"user_message": LONG}, id="a text"),
        pytest.param(300, {"system_message": LONG}, id="another text"),
        pytest.param(300, {"images": [LONG]}, id="a picture in base64"),
        pytest.param(1000, {"images": [[7] * 300_000]}, id="a picture of bytes"),
        pytest.param(30, {"extra": {str(number): 0 for number in range(49_000)}}, id="small fields"),
    ],
)
async def test_not_more_is_sent_than_a_manager_has_time_for(
    client: Client, provider: Provider, models: int, changes: dict[str, Any]
) -> None:
    status, answer = await checked(client, [CONFIG] * models, [PROMPT | changes])
    assert (status, "would send more than 268435456 bytes" in answer["error"]) == (500, True)
    assert provider.asked == []


async def test_what_is_sent_is_prepared_once_for_all_models(client: Client, provider: Provider) -> None:
    assert (await checked(client, [CONFIG] * 3, [PROMPT, PROMPT | {"images": [list(PNG)]}]))[0] == 200
    assert len({id(prompt) for _, prompt in provider.asked}) == 2

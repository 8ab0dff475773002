"""The provider check (modules 2.13; manager-api 3.14)."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web

from genvm_llm.check import check_one
from genvm_module.errors import ModuleError

from .provider_server import anthropic_reply, google_reply, never, ollama_reply, openai_reply, provider, raw
from .talk import KEY

PROMPT: dict[str, Any] = {"user_message": "Say ok", "temperature": 0, "max_tokens": 10}


def config(url: str, name: str = "openai-compatible") -> dict[str, str]:
    return {"host": url + "/", "provider": name, "model": "m", "key": KEY}


@pytest.mark.parametrize(
    ("name", "reply"),
    [
        ("openai-compatible", openai_reply("OK")),
        ("anthropic", anthropic_reply("OK")),
        ("google", google_reply("OK")),
        ("ollama", ollama_reply("OK")),
    ],
)
async def test_it_tells_what_the_model_answers(name: str, reply: Any) -> None:
    async with provider(reply) as server:
        assert await check_one(config(server.url, name), PROMPT) == "OK"


@pytest.mark.parametrize(("answer", "cause"), [(500, "STATUS_NOT_OK"), (raw(b"x"), "DESERIALIZING")])
async def test_it_raises_what_is_wrong_without_the_key(answer: Any, cause: str) -> None:
    async with provider(answer) as server:
        with pytest.raises(ModuleError) as failure:
            await check_one(config(server.url), PROMPT)
    assert failure.value.causes[0] == cause
    assert failure.value.fatal
    assert KEY not in str(failure.value.ctx)


async def test_a_silent_provider_costs_the_timeout() -> None:
    async with provider(never) as server:
        with pytest.raises(ModuleError, match="SENDING_REQUEST"):
            await check_one(config(server.url), {**PROMPT, "timeout": "50ms"})


async def test_extra_is_merged_and_images_are_taken_as_numbers_or_base64() -> None:
    async with provider() as server:
        images = [[0xFF, 0xD8, 0xFF, 0xE0], "/9j/4A=="]
        await check_one(config(server.url), {**PROMPT, "images": images, "extra": {"top_p": 0.5}, "seed": 3})
        body = server.received[0].body
    assert (body["top_p"], body["seed"], len(body["messages"][0]["content"])) == (0.5, 3, 3)


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"images": [[1, 2, 3]]}, "INVALID_IMAGE"),
        ({"images": [["x"]]}, "PROMPT_MALFORMED"),
        ({"extra": {"messages": []}}, "EXTRA_REFUSED"),
        ({"extra_merge_strategy": "sideways"}, "PROMPT_MALFORMED"),
    ],
)
async def test_prompts_that_cannot_be_sent(change: dict[str, Any], cause: str) -> None:
    with pytest.raises(ModuleError, match=cause):
        await check_one(config("http://127.0.0.1:1"), {**PROMPT, **change})


async def test_an_unknown_provider() -> None:
    with pytest.raises(ModuleError, match="UNKNOWN_PROVIDER"):
        await check_one(config("http://127.0.0.1:1", "simulator"), PROMPT)


DOORS: dict[str, tuple[Any, dict[str, Any], bool]] = {
    "llama.cpp": (raw(b"Not Found", 404), {"/v1/models": {"object": "list", "data": []}}, True),
    "LM Studio": (
        {"error": "Unexpected endpoint or method. (POST /api/generate)"},
        {"/v1/models": {"data": []}, "/api/version": {"error": "Unexpected endpoint or method."}},
        True,
    ),
    "vLLM": (raw(b'{"detail": "Not Found"}', 404), {"/v1/models": {"data": [{"id": "m"}]}}, True),
    "Ollama without the model": (
        raw(b'{"error": "model not found"}', 404),
        {"/v1/models": {"data": []}, "/api/version": {"version": "0.12.0"}},
        False,
    ),
    "something else": (raw(b"Not Found", 404), {}, False),
}


@pytest.mark.parametrize(("generate", "others", "told"), DOORS.values(), ids=DOORS)
async def test_ollama_is_refused_for_a_server_that_speaks_openais_interface_alone(
    generate: Any, others: dict[str, Any], told: bool
) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        if request.path in others:
            return web.json_response(others[request.path])
        if request.path != "/api/generate":
            return web.Response(status=404)
        if isinstance(generate, dict):
            return web.json_response(generate)
        response: web.StreamResponse = await generate(request)
        return response

    async with provider(answer) as server:
        with pytest.raises(ModuleError) as failure:
            await check_one(config(server.url, "ollama"), PROMPT)
    assert ("its provider is openai-compatible" in failure.value.causes[0]) is told
    assert failure.value.fatal


async def test_why_a_reply_is_no_answer_is_told_without_the_key() -> None:
    async with provider({"error": {"code": 401, "message": f"bad key {KEY}"}}) as server:
        with pytest.raises(ModuleError) as failure:
            await check_one(config(server.url), PROMPT)
    assert failure.value.causes == ["STATUS_NOT_OK", "an error inside a 200: bad key [redacted]"]
    assert failure.value.ctx["status"] == 401

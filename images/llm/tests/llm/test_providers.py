"""Each provider's wire format, against a server that speaks it (modules 2.6; behaviours 14–18, 23)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

from genvm_module.errors import ModuleError
from genvm_wire.calldata import Encodable

from .provider_server import (
    anthropic_reply,
    broken_chunk,
    cut_off,
    endless,
    google_reply,
    never,
    ollama_reply,
    openai_reply,
    provider,
    raw,
)
from .talk import KEY, backend, talking

PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)
EXIF_JPEG = b"\xff\xd8\xff\xe1" + bytes(8)
REPLIES: dict[str, Callable[..., Any]] = {
    "openai-compatible": openai_reply,
    "anthropic": anthropic_reply,
    "google": google_reply,
    "ollama": ollama_reply,
}
PATHS = {
    "openai-compatible": "/v1/chat/completions",
    "anthropic": "/v1/messages",
    "google": "/v1beta/models/m:generateContent",
    "ollama": "/api/generate",
}
EVERY = pytest.mark.parametrize("name", REPLIES)


def tokens_of(statistics: dict[str, Encodable]) -> Any:
    return statistics["tokens"]


@EVERY
async def test_a_text_answer_and_its_tokens(name: str) -> None:
    async with provider(REPLIES[name]("four")) as server, talking(backend(server.url, name)) as talk:
        assert await talk.prompt("2+2?") == "four"
        assert server.received[0].path == PATHS[name]
        tokens = tokens_of(talk.conversation.statistics())["b0/m"]
        assert tokens["input"] == 11
        assert tokens["total"] >= tokens["input"] + tokens["output"] > 0


@EVERY
async def test_the_key_is_in_no_url_and_where_the_provider_wants_it(name: str) -> None:
    async with provider(REPLIES[name]()) as server, talking(backend(server.url, name)) as talk:
        await talk.prompt()
        received = server.received[0]
        assert KEY not in received.path
        wanted = {"openai-compatible": "authorization", "anthropic": "x-api-key", "google": "x-goog-api-key"}
        holders = [header for header, value in received.headers.items() if KEY in value]
        assert holders == [wanted.get(name, "authorization")]


@pytest.mark.parametrize("key", ["", "${ENV[<no-key>]}"], ids=["none", "what Studio says for none"])
async def test_ollama_without_a_key_sends_none(key: str) -> None:
    async with provider(ollama_reply()) as server:
        async with talking({**backend(server.url, "ollama"), "key": key}) as talk:
            await talk.prompt()
        assert "authorization" not in server.received[0].headers


@pytest.mark.parametrize(
    ("name", "reply"),
    [
        ("openai-compatible", openai_reply('```json\n{"a": 1.50}\n```')),
        ("anthropic", anthropic_reply("Here you are:", {"a": 1.5})),
        ("google", google_reply('{"a": 1.50')),
        ("ollama", ollama_reply('{"a": 1.50}')),
    ],
    ids=REPLIES,
)
async def test_a_json_answer_is_text_on_s_and_a_map_without_fractions_on_w(name: str, reply: Any) -> None:
    async with provider(reply) as server:
        async with talking(backend(server.url, name)) as talk:
            text = await talk.prompt(form="json")
            assert isinstance(text, str)
            assert text.startswith("{")
        async with talking(backend(server.url, name), transport="W") as talk:
            value = await talk.prompt(form="json")
            assert float(value["a"]) == 1.5


@pytest.mark.parametrize(
    ("name", "reply"),
    [
        ("openai-compatible", openai_reply('{"a": "cut o', "length")),
        ("google", google_reply("Well, let me", "MAX_TOKENS")),
        ("ollama", ollama_reply('{"a": [1, ')),
    ],
)
async def test_a_json_answer_that_was_cut_off_is_still_an_object(name: str, reply: Any) -> None:
    async with provider(reply) as server, talking(backend(server.url, name), transport="W") as talk:
        assert isinstance(await talk.prompt(form="json"), dict)
        assert tokens_of(talk.conversation.statistics())["b0/m"]["output"] == 5


EMPTY = {
    "openai-compatible": openai_reply(None),
    "anthropic": anthropic_reply() | {"content": []},
    "google": google_reply(None),
    "ollama": ollama_reply(""),
}


@EVERY
async def test_missing_content_is_an_empty_answer_that_was_paid_for(name: str) -> None:
    async with provider(EMPTY[name]) as server, talking(backend(server.url, name)) as talk:
        assert await talk.prompt() == ""
        assert tokens_of(talk.conversation.statistics())["b0/m"]["input"] == 11


DECISIONS = {
    "true": ('{"reason": "same", "result": true}', True),
    "fenced": ('```json\n{"result": true}\n```', True),
    "cut off": ('{"reason": "x", "result": tr', True),
    "missing": ('{"reason": "x"}', False),
    "mistyped": ('{"result": "true"}', False),
    "garbage": ("I cannot say.", False),
}


@pytest.mark.parametrize(("text", "expected"), DECISIONS.values(), ids=DECISIONS)
async def test_decisions(text: str, expected: bool) -> None:
    async with provider(openai_reply(text)) as server, talking(backend(server.url)) as talk:
        assert await talk.compare() is expected
        assert tokens_of(talk.conversation.statistics())["b0/m"]["total"] == 16


async def test_a_decision_left_open_is_asked_of_the_next_model() -> None:
    async with provider(openai_reply("hm")) as bad, provider(openai_reply('{"result": true}')) as good:
        async with talking(backend(bad.url, priority=1), backend(good.url)) as talk:
            assert await talk.compare() is True


async def test_anthropic_decides_through_a_tool_with_the_prompts_own_cap() -> None:
    reply = anthropic_reply("", {"reason": "same", "result": True})
    async with provider(reply) as server, talking(backend(server.url, "anthropic")) as talk:
        assert await talk.compare() is True
        body = server.received[0].body
        assert body["tool_choice"] == {"type": "tool", "name": "json_out"}
        assert body["tools"][0]["input_schema"]["required"] == ["result"]
        assert body["max_tokens"] == 1000


async def test_the_body_for_an_openai_compatible_provider() -> None:
    async with provider(openai_reply("{}")) as server:
        async with talking(backend(server.url, use_max_completion_tokens=True)) as talk:
            await talk.prompt("hi", "json", [PNG])
        assert server.received[0].body == {
            "model": "m",
            "stream": False,
            "temperature": 0.7,
            "max_completion_tokens": 8000,
            "response_format": {"type": "json_object"},
            "messages": [
                {"role": "system", "content": "Answer with one valid JSON object and nothing else."},
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "hi"},
                        {
                            "type": "image_url",
                            "image_url": {"url": "data:image/png;base64,iVBORw0KGgoAAAAAAAAAAA=="},
                        },
                    ],
                },
            ],
        }


@pytest.mark.parametrize(
    ("name", "where"),
    [
        ("anthropic", lambda body: body["messages"][0]["content"][0]["source"]["media_type"]),
        ("google", lambda body: body["contents"][0]["parts"][0]["inline_data"]["mime_type"]),
        ("ollama", lambda body: "image/jpeg" if len(body["images"]) == 1 else ""),
    ],
)
async def test_images_come_before_the_text_and_exif_pictures_are_taken(name: str, where: Any) -> None:
    async with provider(REPLIES[name]()) as server, talking(backend(server.url, name)) as talk:
        await talk.prompt("look", images=[EXIF_JPEG])
        assert where(server.received[0].body) == "image/jpeg"


@pytest.mark.parametrize(
    ("images", "cause"),
    [
        ([PNG, PNG, PNG], "TOO_MANY_IMAGES"),
        ([PNG + bytes(5 * 1024 * 1024 + 1 - len(PNG))], "IMAGE_TOO_LARGE"),
        ([b"GIF89a"], "INVALID_IMAGE"),
    ],
    ids=["three", "a byte too large", "gif"],
)
async def test_images_that_are_refused_before_any_call(images: list[Any], cause: str) -> None:
    async with provider() as server, talking(backend(server.url)) as talk:
        with pytest.raises(ModuleError) as refused:
            await talk.prompt(images=images)
        assert (refused.value.causes, refused.value.fatal) == ([cause], False)
        assert server.received == []


FAILURES: dict[str, tuple[Any, str, str]] = {
    "201": (201, "STATUS_NOT_OK", "unknown"),
    "204": (raw(b"", 204), "STATUS_NOT_OK", "unknown"),
    "302": (raw(b"", 302), "STATUS_NOT_OK", "unknown"),
    "400": (400, "STATUS_NOT_OK", "bad_request"),
    "401": (401, "STATUS_NOT_OK", "auth_error"),
    "404": (404, "STATUS_NOT_OK", "model_unavailable"),
    "408": (408, "STATUS_NOT_OK", "timeout"),
    "429": (429, "STATUS_NOT_OK", "rate_limit"),
    "500": (500, "STATUS_NOT_OK", "server_error"),
    "503 without a body": (raw(b"", 503), "STATUS_NOT_OK", "server_error"),
    "504": (504, "STATUS_NOT_OK", "gateway_timeout"),
    "529": (529, "STATUS_NOT_OK", "server_overloaded"),
    "not JSON": (raw(b"<html>"), "DESERIALIZING", "unknown"),
    "nested too deeply": (raw(b"[" * 100_000), "DESERIALIZING", "unknown"),
    "cut off": (cut_off, "READING_BODY", "network_error"),
    "a broken chunk": (broken_chunk, "READING_BODY", "network_error"),
    "endless": (endless, "READING_BODY", "unknown"),
}


@pytest.mark.parametrize(("answer", "cause", "kind"), FAILURES.values(), ids=FAILURES)
async def test_failures_are_fatal_and_told_by_kind(answer: Any, cause: str, kind: str) -> None:
    async with provider(answer) as server, talking(backend(server.url)) as talk:
        with pytest.raises(ModuleError) as failure:
            await talk.prompt()
        assert failure.value.causes == ["NO_PROVIDER_FOR_PROMPT"]
        assert failure.value.fatal
        attempts: Any = failure.value.ctx["attempts"]
        assert [(one["cause"], one["kind"]) for one in attempts] == [(cause, kind)]


async def test_nobody_listens() -> None:
    async with talking(backend("http://127.0.0.1:1")) as talk:
        with pytest.raises(ModuleError) as failure:
            await talk.prompt()
        attempts: Any = failure.value.ctx["attempts"]
        assert attempts[0]["kind"] == "network_error"


async def test_a_silent_provider_costs_its_timeout_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()

    async def too_long(request: web.Request) -> web.StreamResponse:
        # The request has arrived: now its time passes, all at once.
        time = loop.time
        monkeypatch.setattr(loop, "time", lambda: time() + 50)
        return await never(request)

    async with provider(too_long) as server, talking({**backend(server.url), "timeout": "50s"}) as talk:
        with pytest.raises(ModuleError) as failure:
            await talk.prompt()
        attempts: Any = failure.value.ctx["attempts"]
        assert attempts[0]["kind"] == "timeout"
        await server.dropped.wait()


async def test_keys_are_in_no_error_even_when_a_provider_repeats_them() -> None:
    async with provider(raw(f"bad key {KEY}".encode(), 401)) as server:
        async with talking(backend(server.url)) as talk:
            with pytest.raises(ModuleError) as failure:
                await talk.prompt()
    assert KEY not in str(failure.value) + str(failure.value.ctx)

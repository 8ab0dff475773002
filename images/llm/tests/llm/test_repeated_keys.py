"""A key that a provider repeats reaches nobody; a body that cannot be unpacked is a failed attempt."""

from __future__ import annotations

import base64
import gzip
import json
import zlib
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from aiohttp import web
from multidict import CIMultiDict

from genvm_llm.check import check_one
from genvm_llm.text_jobs import read_reply
from genvm_module.errors import ModuleError

from .provider_server import anthropic_reply, google_reply, ollama_reply, openai_reply
from .provider_server import provider as providing
from .talk import KEY, backend, talking

SPELLINGS: dict[str, Callable[[str], str]] = {
    "plain": lambda key: key,
    "upper case": str.upper,
    "base64": lambda key: base64.b64encode(key.encode()).decode(),
    "base64 behind its scheme": lambda key: base64.b64encode(f"Bearer {key}".encode()).decode(),
    "base64 for URLs": lambda key: base64.urlsafe_b64encode(f"x{key}".encode()).decode(),
    "hexadecimal": lambda key: key.encode().hex(),
    "in a URL": lambda key: quote(key, safe=""),
    "wholly escaped in a URL": lambda key: "".join(f"%{byte:02X}" for byte in key.encode()),
    "escaped in JSON": lambda key: "".join(f"\\u{ord(char):04x}" for char in key),
    "packed in JSON": lambda key: json.dumps(key)[1:-1],
}
REPLIES: dict[str, Callable[[str], Any]] = {
    "openai-compatible": openai_reply,
    "anthropic": anthropic_reply,
    "google": google_reply,
    "ollama": ollama_reply,
}


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("provider", REPLIES)
async def test_a_contract_never_gets_a_key_that_a_provider_repeats(provider: str, spelling: str) -> None:
    said = SPELLINGS[spelling](KEY)
    text = REPLIES[provider](f"you sent {said}!")
    object_ = REPLIES[provider](f'{{"a": "you sent {said}!"}}')
    if provider == "anthropic":
        object_ = anthropic_reply("", tool={"a": f"you sent {said}!", said: [said]})
    async with providing(text, object_) as server, talking(backend(server.url, provider)) as talk:
        for answer in (await talk.prompt(), json.loads(await talk.prompt(form="json"))):
            told = json.dumps(answer)
            assert "[redacted]" in told
            assert said not in told
            assert KEY not in told


PLACEHOLDERS = [
    *("lm-studio", "not-needed", "password", "PASSWORD", "sk-no-key-required", "no-api-key-required"),
    *("placeholder", "Bearer token", "your_api_key", "llama.cpp", "token-abc123", "00000000", "1234567890"),
]
SECRETS = [
    *("sk-very-secret-key-7Xq", "lm-studio-7", "correct-horse-battery-staple", "qzkxjvwmbpfhgd", "AbCdEfGh"),
    *("12345678901", "0f1e2d3c4b5a", "passwörter", "lm--studio", "-password"),
]


@pytest.mark.parametrize("key", PLACEHOLDERS)
@pytest.mark.parametrize("provider", REPLIES)
async def test_a_placeholder_for_a_key_changes_no_answer(provider: str, key: str) -> None:
    """Nodes have other keys, and have to agree on what a model said."""
    said = f'{{"server": "{key}", "result": true}}'
    object_ = anthropic_reply("", tool=json.loads(said)) if provider == "anthropic" else None
    async with providing(REPLIES[provider](said), object_ or REPLIES[provider](said)) as server:
        async with talking({**backend(server.url, provider), "key": key}) as talk:
            assert await talk.prompt() == said
            assert json.loads(await talk.prompt(form="json")) == json.loads(said)


@pytest.mark.parametrize("key", SECRETS)
async def test_what_could_be_a_secret_is_kept_out_of_answers(key: str) -> None:
    async with providing(openai_reply(f"you sent {key}!")) as server:
        async with talking({**backend(server.url), "key": key}) as talk:
            assert await talk.prompt() == "you sent [redacted]!"


@pytest.mark.parametrize("key", PLACEHOLDERS)
async def test_errors_show_no_placeholder_either(key: str) -> None:
    async def refusing(_: web.Request) -> web.StreamResponse:
        return web.Response(status=401, text=f"bad key {key}")

    async with providing(refusing) as server:
        config = {"host": server.url, "provider": "openai-compatible", "model": "m", "key": key}
        with pytest.raises(ModuleError) as failure:
            await check_one(config, {"user_message": "?", "temperature": 0, "max_tokens": 10})
    assert failure.value.ctx["body"] == "bad key [redacted]"
    inside = json.dumps({"error": {"message": f"bad key {key}", "code": 401}})
    assert "bad key [redacted]" in repr(read_reply(inside.encode(), "openai-compatible", "text", key))


@pytest.mark.parametrize("form", ["text", "json"])
async def test_a_long_reply_is_masked_all_the_same(form: str) -> None:
    reply = openai_reply(json.dumps({"a": "x" * 20_000 + KEY}))
    async with providing(reply) as server, talking(backend(server.url)) as talk:
        answer = await talk.prompt(form=form)
    assert KEY not in answer
    assert "[redacted]" in answer


async def test_a_check_is_told_no_key_either() -> None:
    async with providing(openai_reply(f"you sent {KEY}")) as server:
        config = {"host": server.url, "provider": "openai-compatible", "model": "m", "key": KEY}
        prompt = {"user_message": "?", "temperature": 0, "max_tokens": 10}
        assert await check_one(config, prompt) == "you sent [redacted]"


async def test_an_error_that_is_cut_off_inside_the_key_shows_none_of_it() -> None:
    async def refusing(_: web.Request) -> web.StreamResponse:
        return web.Response(status=500, text="x" * 1010 + KEY)

    async with providing(refusing) as server:
        config = {"host": server.url, "provider": "openai-compatible", "model": "m", "key": KEY}
        with pytest.raises(ModuleError) as failure:
            await check_one(config, {"user_message": "?", "temperature": 0, "max_tokens": 10})
    assert failure.value.ctx["body"] == "x" * 1010 + "[redacted]"


CUT_OFF: dict[str, Any] = {
    "an error inside a 200": {"error": {"message": "x" * 295 + KEY}},
    "a refusal": {"choices": [{"message": {"refusal": "x" * 295 + KEY}, "finish_reason": "stop"}]},
    "why it ended": {"choices": [{"message": {"content": "4"}, "finish_reason": "x" * 35 + KEY}]},
}


@pytest.mark.parametrize("name", CUT_OFF)
def test_what_is_told_of_a_reply_is_cut_off_behind_its_masking(name: str) -> None:
    told = repr(read_reply(json.dumps(CUT_OFF[name]).encode(), "openai-compatible", "text", KEY))
    assert "xxx" in told
    assert KEY[:3] not in told


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "deflate", "br", "zstd", "gzip, deflate"])
@pytest.mark.parametrize("status", [200, 500])
@pytest.mark.parametrize(
    "body",
    [b"no gzip at all", gzip.compress(b'{"choices": []}' * 100)[:-30], b""],
    ids=["none", "cut", "empty"],
)
async def test_a_body_that_cannot_be_unpacked_is_a_failed_attempt(
    body: bytes, status: int, encoding: str
) -> None:
    async def packed(_: web.Request) -> web.StreamResponse:
        headers = {"Content-Encoding": encoding, "Content-Type": "application/json"}
        return web.Response(status=status, body=body, headers=headers)

    async with (
        providing(packed) as broken,
        providing(openai_reply("good")) as good,
        talking(backend(broken.url, priority=1), backend(good.url)) as talk,
    ):
        assert await talk.prompt() == "good"


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "X-GZIP"])
async def test_an_answer_that_is_packed_is_read_by_either_name_of_its_packing(encoding: str) -> None:
    async def packed(_: web.Request) -> web.StreamResponse:
        answer = {"choices": [{"message": {"content": "packed"}, "finish_reason": "stop"}]}
        headers = {"Content-Encoding": encoding, "Content-Type": "application/json"}
        return web.Response(body=gzip.compress(json.dumps(answer).encode()), headers=headers)

    async with providing(packed) as only, talking(backend(only.url)) as talk:
        assert await talk.prompt() == "packed"


@pytest.mark.parametrize("packed", [1, 2])
@pytest.mark.parametrize(
    "said",
    [["gzip, gzip"], ["gzip", "gzip"], ["gzip", "identity", "GZIP"]],
    ids=["in one header", "in two", "in three"],
)
async def test_an_answer_is_packed_as_often_as_it_shows(said: list[str], packed: int) -> None:
    body = json.dumps(openai_reply("packed")).encode()
    for _ in range(packed):
        body = gzip.compress(body)

    async def answering(_: web.Request) -> web.StreamResponse:
        headers = [("Content-Type", "application/json"), *(("Content-Encoding", one) for one in said)]
        return web.Response(body=body, headers=CIMultiDict(headers))

    async with providing(answering) as only, talking(backend(only.url)) as talk:
        assert await talk.prompt() == "packed"


PACK: dict[str, Callable[[bytes], bytes]] = {
    "deflate": zlib.compress,
    "deflate without its wrapping": lambda body: zlib.compress(body)[2:-4],
    "gzip without its end": lambda body: gzip.compress(body)[:-8],
}


@pytest.mark.parametrize("name", PACK)
async def test_an_answer_is_read_however_its_packing_is_written(name: str) -> None:
    async def packed(_: web.Request) -> web.StreamResponse:
        headers = {"Content-Encoding": name.split(maxsplit=1)[0], "Content-Type": "application/json"}
        return web.Response(body=PACK[name](json.dumps(openai_reply("packed")).encode()), headers=headers)

    async with providing(packed) as only, talking(backend(only.url)) as talk:
        assert await talk.prompt() == "packed"
        assert only.received[0].headers["accept-encoding"] == "gzip, deflate"

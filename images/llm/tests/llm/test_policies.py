"""Studio's policy and an operator's own (modules 2.11, 2.12; behaviour 27)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from genvm_llm.policies.hook_process import HookFailed, HookProcess
from genvm_llm.policies.operator import without_secrets
from genvm_module.contract import ConfigurationRefused
from genvm_module.errors import ModuleError

from .provider_server import openai_reply, provider
from .talk import KEY, Talk, backend, configured, talking

MOCKS = {
    "response": {"weather": "sunny", "weather in Oslo": {"t": 1}, "": "default"},
    "eq_principle_prompt_comparative": {"leader says": True},
}


@asynccontextmanager
async def studio(*backends: dict[str, Any], **config: Any) -> AsyncIterator[Talk]:
    async with talking(*backends, policy="studio", **config) as talk:
        yield talk


@pytest.mark.parametrize(
    ("text", "form", "expected"),
    [
        ("the weather?", "text", "sunny"),
        ("the weather in Oslo?", "text", '{"t": 1}'),
        ("the weather in Oslo?", "json", '{"t": 1}'),
        ("anything", "text", "default"),
    ],
)
async def test_mocks_by_the_longest_key_that_occurs(text: str, form: str, expected: str) -> None:
    async with studio(host_data={"mock_response": MOCKS}) as talk:
        assert await talk.prompt(text, form) == expected


async def test_each_template_has_its_own_table() -> None:
    async with studio(host_data={"mock_response": MOCKS}) as talk:
        assert await talk.compare(leader="leader says x") is True


@pytest.mark.parametrize(
    "mock", ["sunny", '{"a": 1e9999999999999999999}'], ids=["text", "a number too large"]
)
async def test_a_mock_that_is_no_json_is_fatal_where_json_was_asked_for(mock: str) -> None:
    async with studio(host_data={"mock_response": {"response": {"": mock}}}) as talk:
        with pytest.raises(ModuleError, match="DESERIALIZING") as failure:
            await talk.prompt("the weather?", "json")
        assert failure.value.fatal


@pytest.mark.parametrize("mocks", [{}, {"response": {"nothing": "x"}}, {"response": None}, "odd"])
async def test_without_a_match_the_runs_backend_is_asked(mocks: Any) -> None:
    async with provider(openai_reply("real")) as server:
        async with studio(
            backend(server.url), host_data={"mock_response": mocks, "studio_llm_id": "b0"}
        ) as talk:
            assert await talk.prompt() == "real"
            assert server.received[0].body["max_tokens"] == 4000


async def test_the_fall_back_is_asked_after_the_first_failed() -> None:
    async with AsyncExitStack() as stack:
        bad = await stack.enter_async_context(provider(500))
        good = await stack.enter_async_context(provider(openai_reply("good")))
        host_data: Any = {"studio_llm_id": "b0", "fallback_llm_id": "b1"}
        async with studio(backend(bad.url), backend(good.url), host_data=host_data) as talk:
            assert await talk.prompt() == "good"
        assert (len(bad.received), len(good.received)) == (1, 1)


async def test_the_fall_back_is_asked_for_a_decision_that_the_first_left_open() -> None:
    async with AsyncExitStack() as stack:
        vague = await stack.enter_async_context(provider(openai_reply("hm")))
        good = await stack.enter_async_context(provider(openai_reply('{"result": true}')))
        host_data: Any = {"studio_llm_id": "b0", "fallback_llm_id": "b1"}
        async with studio(backend(vague.url), backend(good.url), host_data=host_data) as talk:
            assert await talk.compare() is True


@pytest.mark.parametrize(
    ("named", "told"),
    [
        ({"studio_llm_id": "b0", "fallback_llm_id": "gone"}, ["b0", "gone"]),
        ({"studio_llm_id": "gone", "fallback_llm_id": "b0"}, ["gone", "b0"]),
    ],
)
async def test_attempts_are_told_in_the_order_in_which_backends_were_named(named: Any, told: Any) -> None:
    async with provider(429) as server, studio(backend(server.url), host_data=named) as talk:
        with pytest.raises(ModuleError) as failure:
            await talk.prompt()
    attempts: Any = failure.value.ctx["attempts"]
    assert [attempt["backend"] for attempt in attempts] == told


@pytest.mark.parametrize("host_data", [{}, {"studio_llm_id": "gone", "fallback_llm_id": 5}])
async def test_backends_that_are_not_there_are_failures_and_no_crash(host_data: Any) -> None:
    async with studio(host_data=host_data) as talk:
        with pytest.raises(ModuleError, match="NO_PROVIDER_FOR_PROMPT"):
            await talk.prompt()


async def test_parameters_come_from_the_backends_meta() -> None:
    meta = {"config": {"temperature": "0.25", "top_p": "0.5", "max_tokens": 7, "seed": 3}}
    async with provider() as server:
        async with studio({**backend(server.url), "meta": meta}, host_data={"studio_llm_id": "b0"}) as talk:
            await talk.prompt()
        body = server.received[0].body
    assert (body["temperature"], body["top_p"], body["seed"], body["max_tokens"]) == (0.25, 0.5, 3, 4000)


async def test_the_models_meta_comes_before_the_backends() -> None:
    meta = {"config": {"temperature": "0.25", "top_p": "0.5"}}
    async with provider() as server:
        one = {**backend(server.url, meta={"config": {"temperature": "0.75", "top_k": 5}}), "meta": meta}
        async with studio(one, host_data={"studio_llm_id": "b0"}) as talk:
            await talk.prompt()
        body = server.received[0].body
    assert (body["temperature"], body["top_k"], body.get("top_p")) == (0.75, 5, None)


async def test_an_empty_prompt_is_the_contracts_fault() -> None:
    async with studio() as talk:
        with pytest.raises(ModuleError, match="EMPTY_PROMPT") as failure:
            await talk.prompt(" \u200b ")
        assert (failure.value.fatal, failure.value.ctx) == (
            False,
            {"reason": "empty_prompt", "format": "text"},
        )


@pytest.mark.parametrize("decides", [False, True])
async def test_the_custom_plugin(decides: bool) -> None:
    async with provider(openai_reply('{"result": false}' if decides else "from the plugin")) as server:
        plugin: Any = {
            "model": "pm",
            "config": {"temperature": "0.5", "stream": "false", "n": "1"},
            "plugin_config": {"api_url": server.url + "/chat", "api_key_env_var": KEY},
        }
        async with studio(host_data={"custom_plugin_data": plugin}) as talk:
            if decides:
                assert await talk.compare() is False
            else:
                assert await talk.prompt("hi") == "from the plugin"
        received = server.received[0]
    assert received.path == "/chat"
    assert received.headers["authorization"] == f"Bearer {KEY}"
    assert (received.body["temperature"], received.body["stream"], received.body["n"]) == (0.5, False, 1)


async def test_a_failing_plugin_ends_the_run_and_shows_no_key() -> None:
    async with provider(401) as server:
        plugin: Any = {
            "model": "m",
            "plugin_config": {"api_url": server.url, "api_key_env_var": KEY},
        }
        async with studio(host_data={"custom_plugin_data": plugin}) as talk:
            with pytest.raises(ModuleError, match="NO_PROVIDER_FOR_PROMPT") as failure:
                await talk.prompt("hi")
    assert KEY not in str(failure.value.ctx)


@pytest.mark.parametrize(
    ("settings", "config"),
    [
        ({"api_url": "http://a" + "\u0301\u0316" * 100_000}, {}),
        ({"api_url": "http://127.0.0.1:9/" + "x" * 2048}, {}),
        ({"api_key_env_var": "k" * 5000}, {}),
        ({}, {"n": "1" * 5000}),
    ],
    ids=["a host of marks", "a long address", "a long key", "a long number"],
)
async def test_a_plugin_of_which_something_is_too_long_is_none(settings: Any, config: Any) -> None:
    """To split such a URL, and to learn such a key, would stop the loop for everybody."""
    plugin_config = {"api_url": "http://127.0.0.1:9", "api_key_env_var": KEY, **settings}
    plugin: Any = {"model": "m", "config": config, "plugin_config": plugin_config}
    async with studio(host_data={"custom_plugin_data": plugin}) as talk:
        with pytest.raises(ModuleError, match="NO_PROVIDER_FOR_PROMPT") as failure:
            await talk.prompt("hi")
    assert "too long" in str(failure.value.ctx["rust_error"])


HOOK = """
def mock(task):
    return task["host_data"].get("mocked")

def choose(task, candidates):
    return [one for one in candidates if one["backend"] == "b0"]

def rewrite(task, prompt, candidate):
    return {"user_message": prompt["user_message"] + "!", "temperature": 0.1}

def filter(task, answer, candidate):
    return answer.upper() if isinstance(answer, str) else None
"""


async def test_an_operators_hooks_choose_rewrite_and_filter() -> None:
    async with AsyncExitStack() as stack:
        chosen = await stack.enter_async_context(provider(openai_reply("yes")))
        other = await stack.enter_async_context(provider())
        async with talking(backend(chosen.url), backend(other.url, priority=9), policy_source=HOOK) as talk:
            assert await talk.prompt("well") == "YES"
        body = chosen.received[0].body
        assert body["messages"][0]["content"] == "well!"
        assert body["temperature"] == 0.1
        assert other.received == []


async def test_an_operators_hook_may_mock() -> None:
    async with provider() as server:
        async with talking(backend(server.url), policy_source=HOOK, host_data={"mocked": "m"}) as talk:
            assert await talk.prompt() == "m"
        assert server.received == []


SPY = """
import os, sys

def mock(task):
    seen = [str(task), str(dict(os.environ)), str(sys.argv)]
    for name in ("environ", "cmdline", "mem"):
        try:
            seen.append(open(f"/proc/{os.getppid()}/{name}").read())
        except Exception as error:
            seen.append(type(error).__name__)
    return " ".join(seen)

def choose(task, candidates):
    return None
"""


async def test_a_hook_sees_no_key_and_no_admin_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_SECRET", "environment-secret")
    host_data: Any = {
        "admin_token": "token-secret",
        "custom_plugin_data": {"key": "plugin-secret"},
        "a": "seen",
    }
    async with talking(backend("http://127.0.0.1:1"), policy_source=SPY, host_data=host_data) as talk:
        told = await talk.prompt()
    assert "seen" in told
    for secret in (KEY, "token-secret", "plugin-secret"):
        assert secret not in told


@pytest.mark.parametrize(
    "hook",
    [
        "def mock(task): raise ValueError(task)",
        "def mock(task): return 5",
        "def choose(task, candidates): return [{'backend': 'other', 'model': 'm'}]",
        "def rewrite(task, prompt, candidate): return {'max_tokens': 'many'}",
        "import os\ndef mock(task): os._exit(1)",
    ],
    ids=["raises", "wrong type", "not offered", "bad prompt", "dies"],
)
async def test_a_hook_that_fails_ends_the_request_and_not_the_module(hook: str) -> None:
    async with talking(backend("http://127.0.0.1:1"), policy_source=hook) as talk:
        for _ in range(2):
            with pytest.raises(ModuleError, match="POLICY_FAILED") as failure:
                await talk.prompt("a secret prompt")
            assert failure.value.fatal
            assert "a secret prompt" not in str(failure.value.ctx)


async def test_a_hook_that_dawdles_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("genvm_llm.policies.hook_process.CALL_SECONDS", 0.2)
    process = HookProcess("inline", "import time\ndef mock(task): time.sleep(60)\ndef filter(task): return 1")
    await process.start()
    with pytest.raises(HookFailed, match=r"0\.2 s"):
        await process.call("mock", {})
    monkeypatch.setattr("genvm_llm.policies.hook_process.CALL_SECONDS", 10)
    assert await process.call("filter", {}) == 1
    await process.close()


@pytest.mark.parametrize("config", [{"policy": "/no/such/file"}, {"policy_source": "def ("}])
async def test_a_policy_that_cannot_be_loaded_refuses_the_configuration(config: Any) -> None:
    with pytest.raises(ConfigurationRefused, match="policy"):
        async with configured({"backends": {"b": backend("http://h")}, **config}):
            pass


def test_what_sounds_like_a_secret_is_left_out() -> None:
    assert without_secrets({"admin_token": 1, "a": [{"api_key": 2, "b": 3}], "signerUrl": 4}) == {
        "a": [{"b": 3}]
    }

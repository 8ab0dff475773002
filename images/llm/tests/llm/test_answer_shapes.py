"""Every shape of an answer under status 200, with another backend behind it and without (modules 2.6)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from genvm_llm.providers import PROVIDERS
from genvm_module.errors import ModuleError

from .answer_shapes import SHAPES, Failed, Shape
from .lone_shapes import LONE
from .provider_server import openai_reply, provider, raw
from .streamed_shapes import STREAMED
from .talk import Talk, backend, configured

GOOD = {"text": "good", "json": '{"good": 1}', "bool": True}
ALL = SHAPES | {("openai-compatible", name): shape for name, shape in (STREAMED | LONE).items()}
EVERY = pytest.mark.parametrize(("name", "shape"), [(name, shape) for (name, _), shape in ALL.items()],
    ids=[f"{name}: {shape}" for name, shape in ALL],
)  # fmt: skip


async def asked(talk: Talk, form: str) -> Any:
    return await (talk.compare() if form == "bool" else talk.prompt(form=form))


def served(body: Any) -> Any:
    return raw((body if isinstance(body, str) else json.dumps(body)).encode())


@EVERY
async def test_the_next_is_asked_for_what_is_no_answer_and_for_nothing_else(name: str, shape: Shape) -> None:
    for form, good in GOOD.items():
        reply = openai_reply('{"result": true}' if form == "bool" else str(good))
        async with provider(served(shape.body)) as first, provider(reply) as second:
            backends = {"first": backend(first.url, name, priority=1), "second": backend(second.url)}
            async with configured({"backends": backends}) as service:
                answer, expected = await asked(Talk(service), form), shape.expected(form)
                counters: Any = service.health().counters["backends"]
        failed = isinstance(expected, Failed)
        assert (form, answer) == (form, good if failed else expected)
        assert len(second.received) == failed
        assert counters["first"]["models"]["m"]["failures"] == ({expected.kind: 1} if failed else {})


@EVERY
async def test_at_the_last_no_answer_is_fatal_and_an_open_decision_false(name: str, shape: Shape) -> None:
    failing = {form: failed for form in GOOD if isinstance(failed := shape.expected(form), Failed)}
    async with provider(served(shape.body)) as server:
        async with configured({"backends": {"only": backend(server.url, name)}}) as service:
            for form, expected in failing.items():
                if expected.open:
                    assert await asked(Talk(service), form) is False
                    continue
                with pytest.raises(ModuleError, match="NO_PROVIDER_FOR_PROMPT") as failure:
                    await asked(Talk(service), form)
                attempts: Any = failure.value.ctx["attempts"]
                assert [attempt["kind"] for attempt in attempts] == [expected.kind]


@pytest.mark.parametrize(("last", "decided"), [(openai_reply("hm"), False), (503, None)])
async def test_a_decision_is_false_only_where_the_last_leaves_it_open(
    last: Any, decided: bool | None
) -> None:
    async with provider(openai_reply("hm")) as first, provider(last) as second:
        backends = {"first": backend(first.url, priority=1), "second": backend(second.url)}
        async with configured({"backends": backends}) as service:
            if decided is None:
                with pytest.raises(ModuleError, match="NO_PROVIDER_FOR_PROMPT"):
                    await Talk(service).compare()
            else:
                assert await Talk(service).compare() is decided


async def test_a_rate_limit_inside_of_a_200_is_told_as_429() -> None:
    """Nodes replace a leader whose provider was rate limited, and take other faults for a broken run."""
    async with provider({"error": {"code": 429, "message": "slow"}}) as server:
        async with configured({"backends": {"b": backend(server.url)}}) as service:
            with pytest.raises(ModuleError) as failure:
                await Talk(service).prompt()
    attempts: Any = failure.value.ctx["attempts"]
    assert (attempts[0]["status"], attempts[0]["kind"]) == (429, "rate_limit")


@pytest.mark.parametrize(
    "reply",
    [
        openai_reply(None, "length"),
        SHAPES["openai-compatible", "an object too deep to be looked through"].body,
    ],
    ids=["nothing", "what breaks its reader"],
)
async def test_what_is_no_answer_was_paid_for_all_the_same(reply: Any) -> None:
    async with provider(served(reply)) as server:
        async with configured({"backends": {"b": backend(server.url)}}) as service:
            talk = Talk(service)
            with pytest.raises(ModuleError):
                await talk.prompt()
            tokens: Any = talk.conversation.statistics()["tokens"]
    assert tokens["b/m"]["total"] == 16


@pytest.mark.parametrize(
    "name", ["a stream, usage behind a whole answer", "a stream, an empty message for its end"]
)
async def test_what_a_stream_says_of_its_usage_was_paid_for(name: str) -> None:
    async with provider(served(STREAMED[name].body)) as server:
        async with configured({"backends": {"b": backend(server.url)}}) as service:
            talk = Talk(service)
            await talk.prompt()
            tokens: Any = talk.conversation.statistics()["tokens"]
    assert tokens["b/m"]["total"] == 16


@pytest.mark.parametrize(
    ("told", "total"),
    [
        ({"prompt_tokens": 11, "completion_tokens": 5}, 16),
        ({"prompt_tokens": 11.0, "completion_tokens": "5", "total_tokens": 16.0}, 16),
        ({"prompt_tokens": 11, "completion_tokens": 5, "total_tokens": 40}, 40),
        ({"input_tokens": 11, "output_tokens": 5}, 16),
        ({"prompt_tokens": 0, "input_tokens": 11, "completion_tokens": None, "output_tokens": 5}, 16),
        ({"prompt_tokens": float("nan"), "completion_tokens": -1, "total_tokens": "many"}, 0),
    ],
    ids=["no total", "fractions and text", "more than the sum", "newer names", "both", "nonsense"],
)
def test_tokens_are_counted_as_servers_write_them(told: Any, total: int) -> None:
    reply = PROVIDERS["openai-compatible"].read(openai_reply("yes") | {"usage": told}, "text")
    assert reply.usage.total == total

"""What each model's switches leave out of a request or change in it, as the servers of this world need it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from genvm_llm.configuration import read_config
from genvm_llm.models import Model
from genvm_llm.prompt import Prompt
from genvm_llm.providers import PROVIDERS
from genvm_module.contract import ConfigurationRefused

from .provider_server import anthropic_reply, google_reply, ollama_reply, openai_reply, provider
from .talk import backend, talking

DECISION = {
    "type": "object",
    "properties": {
        "reason": {"type": "string", "description": "at most ten words"},
        "result": {"type": "boolean"},
    },
    "required": ["reason", "result"],
    "additionalProperties": False,
}
ANY_OBJECT = {"type": "object", "additionalProperties": True}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "answer", "schema": ANY_OBJECT}}
DECIDING = {
    "type": "json_schema",
    "json_schema": {"name": "decision", "strict": True, "schema": DECISION},
}
SYSTEM = "Answer with one valid JSON object and nothing else."
OBJECT = {"type": "json_object"}


def messages(*, system: bool = True) -> Any:
    if not system:
        return [{"role": "user", "content": f"{SYSTEM}\n\n2+2?"}]
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": "2+2?"}]


def chat(**fields: Any) -> Any:
    """What goes out for a JSON prompt without any switch, changed; None: left out."""
    plain = {
        "model": "m", "stream": False, "temperature": 0.7, "max_tokens": 8000,
        "response_format": OBJECT, "messages": messages(),
    }  # fmt: skip
    return {name: value for name, value in {**plain, **fields}.items() if value is not None}


@dataclass(frozen=True)
class Row:
    """`json` and `deciding`: the body of a JSON prompt; what a decision's body has for the format."""

    switches: dict[str, Any]
    json: Any
    deciding: Any = field(default_factory=lambda: OBJECT)


OPENAI_DOORS = {
    "vLLM": Row({"json_mode": "schema", "seed": 2**63}, chat(response_format=SCHEMA, seed=2), DECIDING),
    "llama.cpp": Row(
        {"json_mode": "schema", "seed": 2**32 - 1, "options": {"cache_prompt": False, "top_k": 20}},
        chat(response_format=SCHEMA, seed=1, cache_prompt=False, top_k=20),
        DECIDING,
    ),
    "llama.cpp, a template without a system role": Row(
        {"system_role": False}, chat(messages=messages(system=False))
    ),
    "LM Studio, which refuses json_object": Row(
        {"json_mode": "schema", "max_tokens": 2000}, chat(response_format=SCHEMA, max_tokens=2000), DECIDING
    ),
    "Ollama's OpenAI door": Row({"json_mode": "object", "seed": 7}, chat(seed=7)),
    "OpenRouter": Row(
        {"options": {"provider": {"require_parameters": True}, "reasoning": {"effort": "low"}}},
        chat(provider={"require_parameters": True}, reasoning={"effort": "low"}),
    ),
    "Groq": Row(
        {"use_max_completion_tokens": True, "max_tokens": 4096},
        chat(max_tokens=None, max_completion_tokens=4096),
    ),
    "DeepSeek": Row({"max_tokens": 8192}, chat()),
    "Gemini's OpenAI door": Row(
        {"options": {"reasoning_effort": "none"}, "temperature": 0},
        chat(reasoning_effort="none", temperature=0),
    ),
    "a reasoning model": Row(
        {"temperature": "omit", "use_max_completion_tokens": True, "options": {"reasoning_effort": "low"}},
        chat(temperature=None, max_tokens=None, max_completion_tokens=8000, reasoning_effort="low"),
    ),
    "a reasoning model without system text": Row(
        {"temperature": "omit", "system_role": False}, chat(temperature=None, messages=messages(system=False))
    ),
    "a server without any JSON mode": Row({"json_mode": "none"}, chat(response_format=None), None),
    "fractions that travelled as text": Row(
        {"temperature": "0.25", "options": {"top_p": "0.9", "stop": ["x"]}},
        chat(temperature=0.25, top_p=0.9, stop=["x"]),
    ),
    "options before ours": Row(
        {"options": {"temperature": "0.1", "response_format": {"type": "text"}}},
        chat(temperature=0.1, response_format={"type": "text"}),
        {"type": "text"},
    ),
}


@pytest.mark.parametrize("row", OPENAI_DOORS.values(), ids=OPENAI_DOORS)
async def test_what_goes_to_an_openai_compatible_server(row: Row) -> None:
    async with provider(openai_reply('{"result": true}')) as server:
        async with talking(backend(server.url, **row.switches)) as talk:
            await talk.prompt(form="json")
            assert await talk.compare() is True
            await talk.prompt()
        json, deciding, text = (received.body for received in server.received)
    assert json == row.json
    assert deciding.get("response_format") == row.deciding
    assert "response_format" not in text or "response_format" in row.switches["options"]
    assert all(
        isinstance(message["content"], str) for body in (json, deciding, text) for message in body["messages"]
    )


def body_for(name: str, form: Any, **switches: Any) -> Any:
    prompt = Model("m", **switches).shaped(Prompt("user", "system", seed=5))
    return PROVIDERS[name].call(prompt, form, "m", "k").body


GOOGLE_DECISION = {
    "type": "OBJECT",
    "properties": {"reason": {"type": "STRING"}, "result": {"type": "BOOLEAN"}},
    "required": ["reason", "result"],
    "propertyOrdering": ["reason", "result"],
}
OTHERS: dict[str, tuple[str, str, dict[str, Any], Any]] = {
    "ollama, object": ("ollama", "json", {}, {"format": "json", "system": "system", "prompt": "user"}),
    "ollama, schema": ("ollama", "bool", {"json_mode": "schema"}, {"format": DECISION}),
    "ollama, any object": ("ollama", "json", {"json_mode": "schema"}, {"format": ANY_OBJECT}),
    "ollama, none": ("ollama", "json", {"json_mode": "none"}, {"format": None}),
    "ollama, omit": (
        "ollama",
        "text",
        {"temperature": "omit", "max_tokens": 9},
        {"options": {"num_predict": 9, "seed": 5}},
    ),
    "ollama, options": (
        "ollama",
        "text",
        {"options": {"num_ctx": 16384, "top_k": 9, "think": False, "keep_alive": "1h"}},
        {
            "options": {"num_predict": 8000, "temperature": 0.7, "seed": 5, "num_ctx": 16384, "top_k": 9},
            "think": False,
            "keep_alive": "1h",
            "num_ctx": None,
        },
    ),
    "ollama, no system role": (
        "ollama",
        "text",
        {"system_role": False},
        {"system": None, "prompt": "system\n\nuser"},
    ),
    "anthropic": (
        "anthropic",
        "text",
        {},
        {"messages": [{"role": "user", "content": "user"}], "tools": None},
    ),
    "anthropic, none": ("anthropic", "json", {"json_mode": "none"}, {"tools": None, "tool_choice": None}),
    "anthropic, omit": (
        "anthropic",
        "text",
        {"temperature": "omit", "max_tokens": 9},
        {"temperature": None, "max_tokens": 9},
    ),
    "anthropic, options": ("anthropic", "text", {"options": {"top_k": 5}}, {"top_k": 5}),
    "google, object": (
        "google",
        "bool",
        {},
        {
            "generationConfig": {
                "responseMimeType": "application/json",
                "maxOutputTokens": 8000,
                "temperature": 0.7,
            }
        },
    ),
    "google, schema": (
        "google",
        "bool",
        {"json_mode": "schema"},
        {
            "generationConfig": {
                "responseMimeType": "application/json",
                "maxOutputTokens": 8000,
                "temperature": 0.7,
                "responseSchema": GOOGLE_DECISION,
            }
        },
    ),
    "google, none": (
        "google",
        "json",
        {"json_mode": "none", "temperature": "omit"},
        {"generationConfig": {"responseMimeType": "text/plain", "maxOutputTokens": 8000}},
    ),
    "google, options": (
        "google",
        "text",
        {"options": {"thinkingConfig": {"thinkingBudget": 0}}},
        {
            "generationConfig": {
                "responseMimeType": "text/plain",
                "maxOutputTokens": 8000,
                "temperature": 0.7,
                "thinkingConfig": {"thinkingBudget": 0},
            }
        },
    ),
    "google, no system role": (
        "google",
        "text",
        {"system_role": False},
        {"system_instruction": None, "contents": [{"parts": [{"text": "system\n\nuser"}]}]},
    ),
}


@pytest.mark.parametrize(("name", "form", "switches", "fields"), OTHERS.values(), ids=OTHERS)
def test_what_goes_to_the_others(name: str, form: str, switches: dict[str, Any], fields: Any) -> None:
    body = body_for(name, form, **switches)
    assert {field: body.get(field) for field in fields} == fields


SEEDS = {0: 0, 1: 1, 2**31 - 1: 2**31 - 1, 2**31: 1, 2**32 - 1: 1, 2**32: 2, 2**64 - 1: 3}


@pytest.mark.parametrize(("seed", "sent"), SEEDS.items())
def test_seeds_are_such_as_every_server_keeps(seed: int, sent: int) -> None:
    """llama.cpp cuts them to 32 bits, of which all ones mean any seed."""
    assert Prompt("x", seed=seed).kept_seed == sent


@pytest.mark.parametrize(
    "change",
    [
        {"temperature": "warm"},
        {"json_mode": "yaml"},
        {"json_mode": ["object"]},
        {"system_role": "no"},
        {"max_tokens": 0},
        {"max_tokens": "9"},
        {"seed": -1},
        {"seed": True},
        {"options": ["num_ctx"]},
        {"options": {"messages": []}},
        {"options": {"stream": True}},
    ],
)
def test_switches_that_are_refused_at_start(change: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationRefused, match=next(iter(change))):
        read_config({"backends": {"b": backend("https://llm.example.com", **change)}})


@pytest.mark.parametrize(
    ("name", "reply"),
    [
        ("openai-compatible", openai_reply()),
        ("anthropic", anthropic_reply()),
        ("google", google_reply()),
        ("ollama", ollama_reply()),
    ],
)
async def test_every_switch_is_reachable_from_a_configuration_for_every_provider(
    name: str, reply: Any
) -> None:
    switches: dict[str, Any] = {
        "temperature": "omit",
        "json_mode": "none",
        "system_role": False,
        "max_tokens": 77,
        "options": {"top_k": 3},
    }
    async with provider(reply) as server, talking(backend(server.url, name, **switches)) as talk:
        await talk.template("EqNonComparativeLeader", task="t", criteria="c", input="i")
        sent = str(server.received[0].body)
    assert "temperature" not in sent
    assert "'top_k': 3" in sent
    assert ": 77" in sent
    assert "'system'" not in sent
    assert "You carry out a task" in sent

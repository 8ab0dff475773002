"""Anthropic's messages. JSON and decisions come through a tool that the model is told to use."""

from __future__ import annotations

from genvm_llm import pictures
from genvm_llm.merging import Json
from genvm_llm.prompt import Format, Prompt
from genvm_llm.providers.exchange import Call, Reply, at, text_at
from genvm_llm.usage import Usage, count

API_VERSION = "2023-06-01"
TOOL = "json_out"

_ANY_OBJECT: Json = {"type": "object", "additionalProperties": True}
_DECISION: Json = {
    "type": "object",
    "properties": {
        "reason": {"type": "string", "description": "at most ten words"},
        "result": {"type": "boolean"},
    },
    "required": ["result"],
}


def call(prompt: Prompt, form: Format, model: str, key: str) -> Call:
    """Raises ModuleError INVALID_IMAGE."""
    body: dict[str, Json] = {
        "model": model,
        "messages": [{"role": "user", "content": _content(prompt)}],
        "stream": False,
        "temperature": prompt.temperature,
        "max_tokens": prompt.max_tokens,
    }
    if prompt.system_message is not None:
        body["system"] = prompt.system_message
    if form != "text":
        schema = _DECISION if form == "bool" else _ANY_OBJECT
        body["tools"] = [{"name": TOOL, "description": "The answer.", "input_schema": schema}]
        body["tool_choice"] = {"type": "tool", "name": TOOL}
    return Call("/v1/messages", {"x-api-key": key, "anthropic-version": API_VERSION}, body)


def _content(prompt: Prompt) -> list[Json]:
    parts: list[Json] = [
        {
            "type": "image",
            "source": {
                "type": "base64",
                "media_type": pictures.media_type(image),
                "data": pictures.encoded(image),
            },
        }
        for image in prompt.images
    ]
    return [*parts, {"type": "text", "text": prompt.user_message}]


def read(body: Json, form: Format) -> Reply:
    usage = at(body, "usage")
    spent_in, spent_out = at(usage, "input_tokens"), at(usage, "output_tokens")
    known = spent_in is not None and spent_out is not None
    return Reply(
        _text(body) if form == "text" else _tool_input(body),
        Usage(
            input=count(spent_in),
            output=count(spent_out),
            total=count(count(spent_in) + count(spent_out)) if known else 0,
            cache_read=count(at(usage, "cache_read_input_tokens")),
            cache_write=count(at(usage, "cache_creation_input_tokens")),
        ),
    )


def _blocks(body: Json) -> list[Json]:
    content = at(body, "content")
    return content if isinstance(content, list) else []


def _text(body: Json) -> str | None:
    for block in _blocks(body):
        if at(block, "type") == "text" and (text := text_at(block, "text")) is not None:
            return text
    return None


def _tool_input(body: Json) -> dict[str, Json] | str | None:
    """The tool's input; a model that wrote text instead may have written JSON."""
    for block in _blocks(body):
        answer = at(block, "input")
        if at(block, "type") == "tool_use" and isinstance(answer, dict):
            return answer
    return _text(body)

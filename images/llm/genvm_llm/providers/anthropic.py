"""Anthropic's messages. JSON and decisions come through a tool that the model is told to use."""

from __future__ import annotations

from genvm_llm import pictures
from genvm_llm.merging import Json
from genvm_llm.prompt import Format, Prompt
from genvm_llm.providers.endings import Ending, ending_of
from genvm_llm.providers.exchange import Call, Reply, at, list_at, text_at
from genvm_llm.providers.faults import Fault, error_in, missing, refused, tool_called
from genvm_llm.providers.schemas import ANY_OBJECT, DECISION
from genvm_llm.usage import Usage, count

API_VERSION = "2023-06-01"
TOOL = "json_out"
_DECISION: Json = {**DECISION, "required": ["result"]}


def call(prompt: Prompt, form: Format, model: str, key: str) -> Call:
    """Raises ModuleError INVALID_IMAGE."""
    body: dict[str, Json] = {
        "model": model,
        "messages": [{"role": "user", "content": _content(prompt)}],
        "stream": False,
        "max_tokens": prompt.max_tokens,
    }
    if prompt.temperature is not None:
        body["temperature"] = prompt.temperature
    if prompt.system_message is not None:
        body["system"] = prompt.system_message
    if form != "text" and prompt.json_mode != "none":
        schema: Json = _DECISION if form == "bool" else ANY_OBJECT
        body["tools"] = [{"name": TOOL, "description": "The answer.", "input_schema": schema}]
        body["tool_choice"] = {"type": "tool", "name": TOOL}
    return Call(
        "/messages", {"x-api-key": key, "anthropic-version": API_VERSION}, body | dict(prompt.options)
    )


def _content(prompt: Prompt) -> Json:
    if not prompt.images:
        return prompt.user_message
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
    ending = ending_of(at(body, "stop_reason"))
    asked_for = ending is Ending.TOOL and bool(_called(body))
    return Reply(
        content=_text(body) if form == "text" else _tool_input(body, ending),
        usage=_usage(at(body, "usage")),
        ending=Ending.NATURAL if asked_for else ending,
        finish=text_at(body, "stop_reason") or "",
        fault=_fault(body, form, ending),
    )


def _fault(body: Json, form: Format, ending: Ending) -> Fault | None:
    if fault := error_in(body):
        return fault
    if not isinstance(at(body, "content"), list):
        return missing(body, "content")
    if ending is Ending.REFUSED:
        return refused(at(body, "stop_reason"))
    if form == "text":
        return tool_called() if ending is Ending.TOOL or _called(body) else None
    return tool_called() if any(at(block, "name") != TOOL for block in _called(body)) else None


def _called(body: Json) -> list[Json]:
    return [block for block in list_at(body, "content") if at(block, "type") == "tool_use"]


def _usage(usage: Json) -> Usage:
    spent_in, spent_out = at(usage, "input_tokens"), at(usage, "output_tokens")
    known = spent_in is not None and spent_out is not None
    return Usage(
        input=count(spent_in),
        output=count(spent_out),
        total=count(count(spent_in) + count(spent_out)) if known else 0,
        cache_read=count(at(usage, "cache_read_input_tokens")),
        cache_write=count(at(usage, "cache_creation_input_tokens")),
    )


def _text(body: Json) -> str | None:
    texts = [text_at(block, "text") for block in list_at(body, "content") if at(block, "type") == "text"]
    return "".join(text for text in texts if text) if texts else None


def _tool_input(body: Json, ending: Ending) -> dict[str, Json] | str | None:
    """The tool's input; a model that wrote text instead may have written JSON."""
    for block in _called(body):
        answer = at(block, "input")
        if isinstance(answer, dict | str):
            # Cut off before the first member is nothing said, not an object without members.
            return None if ending is Ending.LENGTH and not answer else answer
    return _text(body)

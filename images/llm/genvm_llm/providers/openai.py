"""Providers that speak OpenAI's chat completions."""

from __future__ import annotations

import json

from genvm_llm import pictures
from genvm_llm.failures import Kind
from genvm_llm.merging import Json, merge
from genvm_llm.prompt import Format, Prompt
from genvm_llm.providers.endings import Ending, ending_of, word_of
from genvm_llm.providers.exchange import Call, Reply, at, list_at, text_at
from genvm_llm.providers.faults import Fault, error_in, fault_in, is_call, missing, refused, tool_called
from genvm_llm.providers.schemas import ANY_OBJECT, DECISION
from genvm_llm.usage import Usage, count, total


def call(prompt: Prompt, form: Format, model: str, key: str) -> Call:
    """Raises ModuleError INVALID_IMAGE, MergeRefused."""
    cap = "max_completion_tokens" if prompt.use_max_completion_tokens else "max_tokens"
    body: dict[str, Json] = {
        "model": model,
        "messages": _messages(prompt),
        "stream": False,
        cap: prompt.max_tokens,
    }
    if prompt.temperature is not None:
        body["temperature"] = prompt.temperature
    if (seed := prompt.kept_seed) is not None:
        body["seed"] = seed
    if form != "text" and prompt.json_mode != "none":
        body["response_format"] = _response_format(prompt, form)
    merged = merge(body, dict(prompt.options))
    merged = merge(merged, dict(prompt.extra), prompt.extra_merge_strategy) if prompt.extra else merged
    assert isinstance(merged, dict)
    return Call("/chat/completions", {"Authorization": f"Bearer {key}"}, merged)


def _response_format(prompt: Prompt, form: Format) -> Json:
    """Servers enforce a schema in exactly this wrapping and ignore it in any other, under a 200."""
    if prompt.json_mode == "object":
        return {"type": "json_object"}
    # `strict` is for schemas that name every member.
    schema: Json = (
        {"name": "decision", "strict": True, "schema": DECISION}
        if form == "bool"
        else {"name": "answer", "schema": ANY_OBJECT}
    )
    return {"type": "json_schema", "json_schema": schema}


def _messages(prompt: Prompt) -> list[Json]:
    messages: list[Json] = [{"role": "user", "content": _user_content(prompt)}]
    if prompt.system_message is not None:
        messages.insert(0, {"role": "system", "content": prompt.system_message})
    return messages


def _user_content(prompt: Prompt) -> Json:
    """A list of parts only where a picture needs one: many servers take nothing but text."""
    if not prompt.images:
        return prompt.user_message
    content: list[Json] = [{"type": "text", "text": prompt.user_message}]
    for image in prompt.images:
        url = f"data:{pictures.media_type(image)};base64,{pictures.encoded(image)}"
        content.append({"type": "image_url", "image_url": {"url": url}})
    return content


def read(body: Json, form: Format) -> Reply:
    del form
    choice = at(body, "choices", 0)
    return Reply(
        content=_content(at(choice, "message", "content")),
        usage=_usage(at(body, "usage")),
        ending=ending_of(at(choice, "finish_reason")),
        finish=word_of(at(choice, "finish_reason")),
        fault=error_in(body) or _fault(body, choice),
    )


def _usage(usage: Json) -> Usage:
    """By the names of chat completions, or by those of OpenAI's newer door, which some servers use here."""
    spent_in, spent_out, details = (
        at(usage, older) or at(usage, newer)
        for older, newer in (
            ("prompt_tokens", "input_tokens"),
            ("completion_tokens", "output_tokens"),
            ("prompt_tokens_details", "input_tokens_details"),
        )
    )
    return Usage(
        input=count(spent_in),
        output=count(spent_out),
        total=total(at(usage, "total_tokens"), count(spent_in), count(spent_out)),
        cache_read=count(at(details, "cached_tokens")),
        cache_write=count(at(details, "cache_write_tokens")),
    )


def _fault(body: Json, choice: Json) -> Fault | None:
    if not isinstance(choice, dict):
        return missing(body, "choices")
    if fault := fault_in(choice):
        return fault
    message = at(choice, "message")
    if not isinstance(message, dict):
        return Fault(Kind.NO_ANSWER, "the choice has no message")
    if refusal := _refusal(message):
        return refused(refusal)
    if filtered := _filtered(choice):
        return refused(filtered)
    for reason in (at(choice, "finish_reason"), at(choice, "native_finish_reason")):
        if ending_of(reason) is Ending.REFUSED:
            return refused(reason)
    said = ending_of(at(choice, "finish_reason")) is Ending.TOOL
    return tool_called() if said or any(map(is_call, _calls(message))) else None


def _calls(message: Json) -> list[Json]:
    """The newer member holds a list of them."""
    newer, older = at(message, "tool_calls"), at(message, "function_call")
    return [*(newer if isinstance(newer, list) else [newer]), older]


def _refusal(message: Json) -> Json:
    content = at(message, "content")
    parts = [content] if at(content, "type") == "refusal" else list_at(message, "content")
    return at(message, "refusal") or next((found for part in parts if (found := at(part, "refusal"))), None)


def _filtered(choice: Json) -> str | None:
    """Azure's filter says itself what it took away, also where the model's own end is the reason."""
    results = at(choice, "content_filter_results")
    found = results.items() if isinstance(results, dict) else ()
    return next((name for name, result in found if _took_away(result)), None)


def _took_away(result: Json) -> bool:
    """A filter's result; block lists have one each."""
    results = result if isinstance(result, list) else [result]
    return any(at(one, "filtered") is True for one in results)


def _content(content: Json) -> str | dict[str, Json] | None:
    """Some vendors answer with a list of parts or a part alone, some with the value that was asked for."""
    if _is_part(content):
        content = [content]
    if isinstance(content, list):
        return "".join(part if isinstance(part, str) else _part_text(part) for part in content)
    if isinstance(content, bool | int | float):
        return json.dumps(content)
    return content


_TEXT_TYPES = ("text", "output_text")
_JSON_TYPES = ("json", "output_json", "json_object")
_JSON_MEMBERS = ("json", "json_object", "output_json", "data", "value", "object", "text", "content")
_OF_ANY_PART = ("annotations", "logprobs", "id", "index")
_LONE_MEMBERS = (*_JSON_TYPES, "text")
"""What a part alone has its value under: the other names are those of any object that was asked for."""
_OF_PARTS = (
    *_LONE_MEMBERS,
    "image_url",
    "video_url",
    "input_audio",
    "citations",
    "cache_control",
    "refusal",
    "thinking",
)
"""Some servers write all members that a part of any kind may have, most of them empty."""


def _is_part(content: Json) -> bool:
    """Whether it is nothing but a part: an object that was asked for may have a type, too."""
    if not isinstance(content, dict) or content.get("type") not in (*_TEXT_TYPES, *_JSON_TYPES):
        return False
    said = {name for name, value in content.items() if value or name not in _OF_PARTS}
    said -= {"type", *_OF_ANY_PART}
    if len(said) != 1:
        return not said and any(isinstance(content.get(name), str | dict) for name in _LONE_MEMBERS)
    name = said.pop()
    value = content[name]
    if content["type"] in _TEXT_TYPES:
        return name == "text" and isinstance(value, str | dict)
    return name in _LONE_MEMBERS and (isinstance(value, dict) or (isinstance(value, str) and "{" in value))


def _part_json(part: dict[str, Json]) -> str:
    """The value, as text or as it is, under whichever name; else the object without its type."""
    value = next((found for name in _JSON_MEMBERS if isinstance(found := part.get(name), dict | str)), None)
    if value is None:
        value = {name: item for name, item in part.items() if name != "type"}
    return value if isinstance(value, str) else json.dumps(value)


def _part_text(part: Json) -> str:
    """Of parts that are no thoughts; OpenAI's older doors wrap the text once more, and some servers put the
    object that was asked for in its place, or beside a type that says so.
    """
    if isinstance(part, dict) and not part.keys() & {"type", "text"}:
        return json.dumps(part)
    if isinstance(part, dict) and part.get("type") in _JSON_TYPES:
        return _part_json(part)
    if at(part, "type") not in (None, *_TEXT_TYPES):
        return ""
    return text_at(part, "text") or text_at(part, "text", "value") or ""

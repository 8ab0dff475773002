"""Google's generateContent."""

from __future__ import annotations

from urllib.parse import quote

from genvm_llm import pictures
from genvm_llm.merging import Json, merge
from genvm_llm.prompt import Format, Prompt
from genvm_llm.providers.endings import Ending, ending_of
from genvm_llm.providers.exchange import Call, Reply, at, list_at, text_at
from genvm_llm.providers.faults import Fault, error_in, is_call, missing, refused, tool_called
from genvm_llm.usage import Usage, count, total

_DECISION: Json = {
    "type": "OBJECT",
    "properties": {"reason": {"type": "STRING"}, "result": {"type": "BOOLEAN"}},
    "required": ["reason", "result"],
    "propertyOrdering": ["reason", "result"],
}
"""In the dialect of `responseSchema`, which has no form for an object of any members."""


def call(prompt: Prompt, form: Format, model: str, key: str) -> Call:
    """Raises ModuleError INVALID_IMAGE, MergeRefused."""
    parts: list[Json] = [
        {"inline_data": {"mime_type": pictures.media_type(image), "data": pictures.encoded(image)}}
        for image in prompt.images
    ]
    body: dict[str, Json] = {
        "contents": [{"parts": [*parts, {"text": prompt.user_message}]}],
        "generationConfig": merge(_generation(prompt, form), dict(prompt.options)),
    }
    if prompt.system_message is not None:
        body["system_instruction"] = {"parts": [{"text": prompt.system_message}]}
    return Call(f"/models/{quote(model, safe='/:')}:generateContent", {"x-goog-api-key": key}, body)


def _generation(prompt: Prompt, form: Format) -> dict[str, Json]:
    plain = form == "text" or prompt.json_mode == "none"
    config: dict[str, Json] = {
        "responseMimeType": "text/plain" if plain else "application/json",
        "maxOutputTokens": prompt.max_tokens,
    }
    if prompt.temperature is not None:
        config["temperature"] = prompt.temperature
    if form == "bool" and prompt.json_mode == "schema":
        config["responseSchema"] = _DECISION
    return config


def read(body: Json, form: Format) -> Reply:
    ending = ending_of(at(body, "candidates", 0, "finishReason"))
    text = _text(body)
    if text and ending is Ending.LENGTH and form != "text" and "{" not in text:
        text = "{}"
    usage = at(body, "usageMetadata")
    spent_in, spent_out = count(at(usage, "promptTokenCount")), count(at(usage, "candidatesTokenCount"))
    return Reply(
        content=text,
        usage=Usage(
            input=spent_in,
            output=spent_out,
            total=total(
                at(usage, "totalTokenCount"), spent_in, spent_out, count(at(usage, "thoughtsTokenCount"))
            ),
            cache_read=count(at(usage, "cachedContentTokenCount")),
        ),
        ending=ending,
        finish=text_at(body, "candidates", 0, "finishReason") or "",
        fault=_fault(body, ending),
    )


def _fault(body: Json, ending: Ending) -> Fault | None:
    if fault := error_in(body):
        return fault
    blocked = at(body, "promptFeedback", "blockReason")
    if blocked and not str(blocked).endswith("_UNSPECIFIED"):  # what the field says when it was never set
        return refused(blocked)
    if not isinstance(at(body, "candidates", 0), dict):
        return missing(body, "candidates")
    if ending is Ending.REFUSED:
        return refused(at(body, "candidates", 0, "finishReason"))
    if ending is Ending.TOOL or any(is_call(at(part, "functionCall")) for part in _parts(body)):
        return tool_called()
    return None


def _parts(body: Json) -> list[Json]:
    return list_at(body, "candidates", 0, "content", "parts")


def _text(body: Json) -> str | None:
    """All parts but thoughts, joined."""
    texts = [text_at(part, "text") for part in _parts(body) if not at(part, "thought")]
    return "".join(text for text in texts if text) if texts else None

"""Google's generateContent."""

from __future__ import annotations

from urllib.parse import quote

from genvm_llm import pictures
from genvm_llm.merging import Json
from genvm_llm.prompt import Format, Prompt
from genvm_llm.providers.exchange import Call, Reply, at, text_at
from genvm_llm.usage import Usage, count


def call(prompt: Prompt, form: Format, model: str, key: str) -> Call:
    """Raises ModuleError INVALID_IMAGE."""
    parts: list[Json] = [
        {"inline_data": {"mime_type": pictures.media_type(image), "data": pictures.encoded(image)}}
        for image in prompt.images
    ]
    body: dict[str, Json] = {
        "contents": [{"parts": [*parts, {"text": prompt.user_message}]}],
        "generationConfig": {
            "responseMimeType": "text/plain" if form == "text" else "application/json",
            "temperature": prompt.temperature,
            "maxOutputTokens": prompt.max_tokens,
        },
    }
    if prompt.system_message is not None:
        body["system_instruction"] = {"parts": [{"text": prompt.system_message}]}
    path = f"/v1beta/models/{quote(model, safe='/:')}:generateContent"
    return Call(path, {"x-goog-api-key": key}, body)


def read(body: Json, form: Format) -> Reply:
    text = text_at(body, "candidates", 0, "content", "parts", 0, "text")
    cut_off = at(body, "candidates", 0, "finishReason") == "MAX_TOKENS"
    if cut_off and form != "text" and not (text or "").lstrip().startswith(("{", "```")):
        text = "{}"
    usage = at(body, "usageMetadata")
    return Reply(
        text,
        Usage(
            input=count(at(usage, "promptTokenCount")),
            output=count(at(usage, "candidatesTokenCount")),
            total=count(at(usage, "totalTokenCount")),
            cache_read=count(at(usage, "cachedContentTokenCount")),
        ),
    )

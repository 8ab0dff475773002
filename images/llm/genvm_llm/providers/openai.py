"""Providers that speak OpenAI's chat completions."""

from __future__ import annotations

from genvm_llm import pictures
from genvm_llm.merging import Json, merge
from genvm_llm.prompt import Format, Prompt
from genvm_llm.providers.exchange import Call, Reply, at, text_at
from genvm_llm.usage import Usage, count


def call(prompt: Prompt, form: Format, model: str, key: str) -> Call:
    """Raises ModuleError INVALID_IMAGE, MergeRefused."""
    cap = "max_completion_tokens" if prompt.use_max_completion_tokens else "max_tokens"
    body: dict[str, Json] = {
        "model": model,
        "messages": _messages(prompt),
        "stream": False,
        "temperature": prompt.temperature,
        cap: prompt.max_tokens,
    }
    if prompt.seed is not None:
        body["seed"] = prompt.seed
    if form != "text":
        body["response_format"] = {"type": "json_object"}
    merged = merge(body, dict(prompt.extra), prompt.extra_merge_strategy) if prompt.extra else body
    assert isinstance(merged, dict)
    return Call("/v1/chat/completions", {"Authorization": f"Bearer {key}"}, merged)


def _messages(prompt: Prompt) -> list[Json]:
    content: list[Json] = [{"type": "text", "text": prompt.user_message}]
    for image in prompt.images:
        url = f"data:{pictures.media_type(image)};base64,{pictures.encoded(image)}"
        content.append({"type": "image_url", "image_url": {"url": url}})
    messages: list[Json] = [{"role": "user", "content": content}]
    if prompt.system_message is not None:
        messages.insert(0, {"role": "system", "content": prompt.system_message})
    return messages


def read(body: Json, form: Format) -> Reply:
    del form
    usage = at(body, "usage")
    return Reply(
        _content(at(body, "choices", 0, "message", "content")),
        Usage(
            input=count(at(usage, "prompt_tokens")),
            output=count(at(usage, "completion_tokens")),
            total=count(at(usage, "total_tokens")),
            cache_read=count(at(usage, "prompt_tokens_details", "cached_tokens")),
            cache_write=count(at(usage, "prompt_tokens_details", "cache_write_tokens")),
        ),
    )


def _content(content: Json) -> str | None:
    """Some vendors answer with a list of parts."""
    if isinstance(content, list):
        return "".join(text_at(part, "text") or "" for part in content)
    return content if isinstance(content, str) else None

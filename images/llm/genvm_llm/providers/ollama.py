"""Ollama's generate. It needs no key."""

from __future__ import annotations

from genvm_llm import pictures
from genvm_llm.merging import Json
from genvm_llm.prompt import Format, Prompt
from genvm_llm.providers.exchange import Call, Reply, at, text_at
from genvm_llm.usage import Usage, count


def call(prompt: Prompt, form: Format, model: str, key: str) -> Call:
    """Raises ModuleError INVALID_IMAGE."""
    del key
    options: dict[str, Json] = {"temperature": prompt.temperature, "num_predict": prompt.max_tokens}
    if prompt.seed is not None:
        options["seed"] = prompt.seed
    for image in prompt.images:
        pictures.media_type(image)
    body: dict[str, Json] = {
        "model": model,
        "prompt": prompt.user_message,
        "stream": False,
        "options": options,
        "images": [pictures.encoded(image) for image in prompt.images],
    }
    if prompt.system_message is not None:
        body["system"] = prompt.system_message
    if form != "text":
        body["format"] = "json"
    return Call("/api/generate", {}, body)


def read(body: Json, form: Format) -> Reply:
    del form
    read_tokens, written = at(body, "prompt_eval_count"), at(body, "eval_count")
    known = read_tokens is not None and written is not None
    return Reply(
        text_at(body, "response"),
        Usage(
            input=count(read_tokens),
            output=count(written),
            total=count(count(read_tokens) + count(written)) if known else 0,
        ),
    )

"""Ollama's generate. It needs no key, and sends one where it has one: hosted ones and proxies ask for it."""

from __future__ import annotations

import re

from genvm_llm import pictures
from genvm_llm.merging import Json, merge
from genvm_llm.prompt import Format, Prompt
from genvm_llm.providers.endings import Ending, ending_of
from genvm_llm.providers.exchange import Call, Reply, at, text_at
from genvm_llm.providers.faults import Fault, error_in, missing, refused
from genvm_llm.providers.schemas import ANY_OBJECT, DECISION
from genvm_llm.usage import Usage, count

BESIDE_OPTIONS = frozenset(
    {"think", "keep_alive", "raw", "template", "truncate", "shift", "logprobs", "top_logprobs"}
)
"""Settings of a model that stand beside `options` in a request."""
_NO_KEY = re.compile(r"\$\{ENV\[.*\]\}")
"""What is left of a variable that cannot be one: Studio's way to say that there is no key."""


def call(prompt: Prompt, form: Format, model: str, key: str) -> Call:
    """Raises ModuleError INVALID_IMAGE, MergeRefused."""
    for image in prompt.images:
        pictures.media_type(image)
    body: dict[str, Json] = {
        "model": model,
        "prompt": prompt.user_message,
        "stream": False,
        "options": _options(prompt),
        "images": [pictures.encoded(image) for image in prompt.images],
        **{name: value for name, value in prompt.options.items() if name in BESIDE_OPTIONS},
    }
    if prompt.system_message is not None:
        body["system"] = prompt.system_message
    if form != "text" and prompt.json_mode != "none":
        schema = DECISION if form == "bool" else ANY_OBJECT
        body["format"] = schema if prompt.json_mode == "schema" else "json"
    known = key and not _NO_KEY.fullmatch(key)
    return Call("/generate", {"Authorization": f"Bearer {key}"} if known else {}, body)


def _options(prompt: Prompt) -> Json:
    options: dict[str, Json] = {"num_predict": prompt.max_tokens}
    if prompt.temperature is not None:
        options["temperature"] = prompt.temperature
    if (seed := prompt.kept_seed) is not None:
        options["seed"] = seed
    wanted = {name: value for name, value in prompt.options.items() if name not in BESIDE_OPTIONS}
    return merge(options, wanted)


def read(body: Json, form: Format) -> Reply:
    del form
    read_tokens, written = at(body, "prompt_eval_count"), at(body, "eval_count")
    known = read_tokens is not None and written is not None
    ending = _ending(body)
    return Reply(
        content=text_at(body, "response"),
        usage=Usage(
            input=count(read_tokens),
            output=count(written),
            total=count(count(read_tokens) + count(written)) if known else 0,
        ),
        ending=ending,
        finish=text_at(body, "done_reason") or "",
        fault=_fault(body, ending),
    )


def _ending(body: Json) -> Ending:
    if at(body, "done") is False:
        return Ending.BROKEN  # one piece of a stream
    ending = ending_of(at(body, "done_reason"))
    # Older servers give no reason.
    return Ending.NATURAL if ending is Ending.UNTOLD and at(body, "done") is True else ending


def _fault(body: Json, ending: Ending) -> Fault | None:
    if fault := error_in(body):
        return fault
    if text_at(body, "response") is None:
        return missing(body, "response")
    return refused(at(body, "done_reason")) if ending is Ending.REFUSED else None

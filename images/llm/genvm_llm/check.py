"""One provider tried with one prompt, for the manager's `/llm/check` (modules.md 2.13, manager-api.md 3.14).

No policy, no JSON mode, no retry, no address filter.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from genvm_llm.failures import Kind, ProviderFailed
from genvm_llm.merging import MergeRefused
from genvm_llm.posting import http_session, post
from genvm_llm.prompt import Prompt, PromptMalformed, read_prompt
from genvm_llm.providers import PROVIDERS
from genvm_llm.reading import read_reply
from genvm_llm.workshop import Workshop
from genvm_module.errors import ModuleError

DEFAULT_TIMEOUT = 300.0
LARGEST_REPLY = 1024 * 1024
"""Bytes: whoever asks only wants to know whether a model answers."""


async def check_one(config: Mapping[str, object], prompt: Mapping[str, object]) -> str:
    """The text that the provider of `config` (`host`, `provider`, `model`, `key`, already expanded) answers.

    `prompt` as `prompt.read_prompt` takes it, its timeout bounding the whole call. Raises ModuleError, whose
    `causes`, `fatal` and `ctx` (`url`, `status`, …) say what is wrong and never hold the key.
    """
    host, provider, model, key = (str(config[name]) for name in ("host", "provider", "model", "key"))
    if provider not in PROVIDERS:
        raise ModuleError("UNKNOWN_PROVIDER", fatal=True)
    try:
        asked = read_prompt(prompt)
    except PromptMalformed as error:
        raise ModuleError("PROMPT_MALFORMED", fatal=True, ctx={"rust_error": str(error)}) from None
    return await _answer(host.rstrip("/"), provider, model, key, asked)


async def _answer(host: str, provider_name: str, model: str, key: str, prompt: Prompt) -> str:
    provider = PROVIDERS[provider_name]
    timeout = DEFAULT_TIMEOUT if prompt.timeout is None else prompt.timeout
    try:
        call = provider.call(prompt, "text", model, key)
        async with asyncio.timeout(timeout), http_session() as http:
            body = await post(http, host, call, key, LARGEST_REPLY)
    except MergeRefused as error:
        raise ModuleError("EXTRA_REFUSED", fatal=True, ctx={"rust_error": str(error)}) from None
    except TimeoutError:
        ctx: dict[str, object] = {"url": host, "rust_error": f"no answer within {timeout:g} s"}
        raise ProviderFailed("SENDING_REQUEST", Kind.TIMEOUT, ctx=ctx) from None
    workshop = Workshop(workers=1)
    try:
        answer = (await read_reply(workshop, body, provider_name, "text", key)).answer()
    finally:
        await workshop.close()
    assert isinstance(answer, str)
    return answer

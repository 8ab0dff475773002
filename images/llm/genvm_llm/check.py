"""One provider tried with one prompt, for the manager's `/llm/check` (modules 2.13, manager-api 3.14).

No policy, no JSON mode, no retry, no address filter.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

import aiohttp

from genvm_llm.addresses import AddressRefused, address_of
from genvm_llm.failures import Kind, ProviderFailed
from genvm_llm.merging import Json, MergeRefused
from genvm_llm.pictures import beside
from genvm_llm.posting import Posted, fetched, http_session, post
from genvm_llm.prompt import Prompt, PromptMalformed, read_prompt
from genvm_llm.providers import PROVIDERS
from genvm_llm.reading import read_reply
from genvm_llm.ways import Ways, read_ways
from genvm_llm.workshop import Workshop
from genvm_module.contract import ConfigurationRefused
from genvm_module.errors import ModuleError

DEFAULT_TIMEOUT = 300.0
LARGEST_REPLY = 1024 * 1024
"""Bytes: whoever asks only wants to know whether a model answers."""
OLLAMAS_OWN, OPENAIS = "/api/version", "/v1/models"
OTHER_DOOR = (
    "this server does not answer as Ollama does but speaks OpenAI's interface (/v1/models): "
    "its provider is openai-compatible"
)


async def check_one(config: Mapping[str, object], prompt: Mapping[str, object]) -> str:
    """The text that the provider of `config` (`host`, `provider`, `model`, `key`, already expanded) answers.

    `config` may have `api_path`. `prompt` as `prompt.read_prompt` takes it, its timeout bounding the whole
    call. Raises ModuleError, whose `causes`, `fatal` and `ctx` (`url`, `status`, …) say what is wrong and
    never hold the key.
    """
    host, provider, model, key = (str(config[name]) for name in ("host", "provider", "model", "key"))
    api_path = config.get("api_path")
    if provider not in PROVIDERS:
        raise ModuleError("UNKNOWN_PROVIDER", fatal=True)
    try:
        asked = read_prompt(prompt)
        address = address_of(host, PROVIDERS[provider].api, None if api_path is None else str(api_path))
        ways = await asyncio.to_thread(read_ways, {})
    except PromptMalformed as error:
        raise ModuleError("PROMPT_MALFORMED", fatal=True, ctx={"rust_error": str(error)}) from None
    except (AddressRefused, ConfigurationRefused) as error:
        raise ModuleError(["CONFIG_UNUSABLE", str(error)], fatal=True) from None
    return await _answer(_Checked(address, provider, model, key, ways), asked)


@dataclass(frozen=True, slots=True)
class _Checked:
    address: str
    provider: str
    model: str
    key: str = field(repr=False)
    ways: Ways


async def _answer(checked: _Checked, prompt: Prompt) -> str:
    timeout = DEFAULT_TIMEOUT if prompt.timeout is None else prompt.timeout
    try:
        async with asyncio.timeout(timeout), http_session(checked.ways.tls) as http:
            try:
                return await _asked(http, checked, prompt)
            except ProviderFailed as error:
                if await _speaks_openai_alone(http, checked):
                    raise ModuleError([OTHER_DOOR, *error.causes], fatal=True, ctx=error.ctx) from None
                raise
    except MergeRefused as error:
        raise ModuleError("EXTRA_REFUSED", fatal=True, ctx={"rust_error": str(error)}) from None
    except TimeoutError:
        ctx: dict[str, object] = {"url": checked.address, "rust_error": f"no answer within {timeout:g} s"}
        raise ProviderFailed("SENDING_REQUEST", Kind.TIMEOUT, ctx=ctx) from None


async def _asked(http: aiohttp.ClientSession, checked: _Checked, prompt: Prompt) -> str:
    making = partial(PROVIDERS[checked.provider].call, prompt, "text", checked.model, checked.key)
    call = await beside(prompt.images, making)
    posted = await post(
        http, checked.address, call, checked.key, LARGEST_REPLY,
        proxy=checked.ways.proxy, images=prompt.images,
    )  # fmt: skip
    return await _read(posted, checked)


async def _read(posted: Posted, checked: _Checked) -> str:
    """Raises ProviderFailed, with the reason among its causes: whoever checks sees nothing else of it."""
    workshop = Workshop(workers=1)
    try:
        answer = (await read_reply(workshop, posted, checked.provider, "text", checked.key)).answer()
    except ProviderFailed as error:
        error.ctx["url"] = checked.address
        error.causes += [reason] if isinstance(reason := error.ctx.get("rust_error"), str) else []
        raise
    finally:
        await workshop.close()
    assert isinstance(answer, str)
    return answer


async def _speaks_openai_alone(http: aiohttp.ClientSession, checked: _Checked) -> bool:
    """Whether a server that did not answer Ollama's call lists models as OpenAI does and is no Ollama.

    LM Studio answers calls that it does not know with 200 and an error; llama.cpp's server with 404.
    """
    if checked.provider != "ollama":
        return False
    base = checked.address.removesuffix(PROVIDERS["ollama"].api)

    async def at(path: str) -> Json:
        return await fetched(http, base + path, checked.key, LARGEST_REPLY, proxy=checked.ways.proxy)

    models = None if await at(OLLAMAS_OWN) is not None else await at(OPENAIS)
    return isinstance(models, dict) and isinstance(models.get("data"), list)

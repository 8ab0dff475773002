"""One provider tried with one prompt, for the manager's `/llm/check` (modules.md, 2.13; manager-api.md, 3.14).

No policy, no JSON mode, no retry, no address filter. The caller expands `${…}` in `host` and `key`
(`genvm_module.expansion`) or passes an environment for it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass

import aiohttp

from genvm_llm.answers import answer_of
from genvm_llm.failures import Kind, ProviderFailed
from genvm_llm.merging import MergeRefused
from genvm_llm.posting import body_limit, http_session, post
from genvm_llm.prompt import Prompt
from genvm_llm.providers import PROVIDERS
from genvm_module.errors import ModuleError
from genvm_module.expansion import UnknownVariable, expand_text
from genvm_wire.calldata import Value

DEFAULT_TIMEOUT = 300.0
SHOWN = ("url", "status", "rust_error")
"""What of an error's context is told: no bodies, no headers."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One entry of the answer. `error` is JSON of `{"causes", "fatal", "ctx"}`, or one line of plain text."""

    available: bool
    response: str | None = None
    error: str | None = None


async def check_one(
    config: Mapping[str, str],
    prompt: Prompt,
    *,
    environment: Mapping[str, str] | None = None,
    http: aiohttp.ClientSession | None = None,
) -> CheckResult:
    """Ask `config` (`host`, `provider`, `model`, `key`) the `prompt` (see `prompt.read_prompt`).

    With `environment`, `${ENV[NAME]}` in host and key are expanded from it. Whatever is wrong with the
    provider is in the result; nothing is raised but cancellation.
    """
    try:
        host, key = (_expanded(config[name], environment) for name in ("host", "key"))
        if http is not None:
            return CheckResult(True, await _ask(http, config, host.rstrip("/"), key, prompt))
        async with http_session() as own:
            return CheckResult(True, await _ask(own, config, host.rstrip("/"), key, prompt))
    except UnknownVariable as error:
        return CheckResult(False, error=str(error))
    except ModuleError as error:
        return CheckResult(False, error=_told(error))


def _expanded(text: str, environment: Mapping[str, str] | None) -> str:
    return text if environment is None else expand_text(text, environment)


async def _ask(
    http: aiohttp.ClientSession, config: Mapping[str, str], host: str, key: str, prompt: Prompt
) -> str:
    provider = PROVIDERS.get(config["provider"])
    if provider is None:
        raise ModuleError("UNKNOWN_PROVIDER", fatal=True)
    timeout = DEFAULT_TIMEOUT if prompt.timeout is None else prompt.timeout
    try:
        call = provider.call(prompt, "text", config["model"], key)
        async with asyncio.timeout(timeout):
            body = await post(http, host, call, key, body_limit(prompt.max_tokens))
    except MergeRefused as error:
        raise ModuleError("EXTRA_REFUSED", fatal=True, ctx={"rust_error": str(error)}) from None
    except TimeoutError:
        ctx: dict[str, object] = {"url": host, "rust_error": f"no answer within {timeout:g} s"}
        raise ProviderFailed("SENDING_REQUEST", Kind.TIMEOUT, ctx=ctx) from None
    answer = answer_of(provider.read(body, "text"), "text")
    assert isinstance(answer, str)
    return answer


def _told(error: ModuleError) -> str:
    ctx: dict[str, Value] = {name: error.ctx[name] for name in SHOWN if name in error.ctx}
    return json.dumps({"causes": error.causes, "fatal": error.fatal, "ctx": ctx}, ensure_ascii=False)

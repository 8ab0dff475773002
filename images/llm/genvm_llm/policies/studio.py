"""The policy of GenLayer Studio: runs name backends, mocks and plugin in `host_data` (modules.md, 2.12)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import cast
from urllib.parse import urlsplit

import structlog

from genvm_llm.backends import Completion
from genvm_llm.failures import Kind, ProviderFailed
from genvm_llm.merging import Json
from genvm_llm.plugin import Plugin, PluginUnusable
from genvm_llm.policies.mocks import mocked
from genvm_llm.prompt import Prompt, PromptMalformed, number
from genvm_llm.routing import Candidate, Desk
from genvm_llm.tasks import Task
from genvm_module.errors import ModuleError
from genvm_wire.calldata import Encodable

MAX_TOKENS = 4000
NOT_EXTRA = frozenset({"temperature", "max_tokens", "use_max_completion_tokens"})
_FRACTION = re.compile(r"-?[0-9]+\.[0-9]+")

log = structlog.get_logger(__name__)


class StudioPolicy:
    async def answer(self, task: Task, desk: Desk) -> Completion:
        """See `policy.Policy.answer`."""
        if not task.prompt.images and not task.prompt.user_message.strip():
            ctx = {"reason": "empty_prompt", "format": task.form}
            raise ModuleError("EMPTY_PROMPT", fatal=False, ctx=ctx)
        if (mock := await mocked(task, desk.workshop)) is not None:
            return Completion(mock, "mock", "mock")
        prompt = replace(task.prompt, max_tokens=MAX_TOKENS)
        plugin = task.caller.host_data.get("custom_plugin_data")
        if isinstance(plugin, Mapping):
            return await _ask_plugin(plugin, prompt, task, desk)
        return await _ask_named(prompt, task, desk)

    async def close(self) -> None:
        """Nothing to close."""


async def _ask_named(prompt: Prompt, task: Task, desk: Desk) -> Completion:
    """The run's backend, then its fall-back, once each; an id that is not configured is a failed attempt."""
    failed: list[Encodable] = []
    for key in ("studio_llm_id", "fallback_llm_id"):
        name = task.caller.host_data.get(key)
        if not isinstance(name, str):
            continue
        candidate = desk.candidate(name)
        if candidate is None:
            failed.append({"backend": name, "cause": "no such backend"})
            continue
        try:
            configured = _configured(prompt, candidate)
            return await desk.first_success([candidate], configured, task.form, fallback=bool(failed))
        except ModuleError as error:
            if error.causes[0] != "NO_PROVIDER_FOR_PROMPT":
                raise
            attempts = error.ctx.get("attempts")
            failed += attempts if isinstance(attempts, list) else []
    log.error("studio_backends_failed", attempts=failed)
    raise ModuleError("NO_PROVIDER_FOR_PROMPT", fatal=True, ctx={"attempts": failed})


def _configured(prompt: Prompt, candidate: Candidate) -> Prompt:
    """With the parameters that Studio keeps in the backend's `meta.config`."""
    meta = candidate.backend.config.meta
    config = meta.get("config") if isinstance(meta, dict) else None
    if not isinstance(config, dict):
        return prompt
    extra = {key: numeric(value) for key, value in config.items() if key not in NOT_EXTRA}
    temperature = config.get("temperature")
    try:
        chosen = prompt.temperature if temperature is None else number(temperature, "temperature")
    except PromptMalformed as error:
        raise ModuleError("CONFIG_UNUSABLE", fatal=True, ctx={"rust_error": str(error)}) from None
    return replace(prompt, temperature=chosen, extra=extra)


def numeric(value: Json) -> Json:
    """A fraction that had to travel as text is a number again."""
    if isinstance(value, str) and _FRACTION.fullmatch(value):
        return float(value)
    if isinstance(value, dict):
        return {key: numeric(item) for key, item in value.items()}
    if isinstance(value, list):
        return [numeric(item) for item in value]
    return value


async def _ask_plugin(data: Mapping[str, object], prompt: Prompt, task: Task, desk: Desk) -> Completion:
    try:
        plugin = Plugin.read(cast("Mapping[str, Json]", data))
    except PluginUnusable as error:
        raise ModuleError("NO_PROVIDER_FOR_PROMPT", fatal=True, ctx={"rust_error": str(error)}) from None
    try:
        # The deciding templates get JSON, everything else the text as it is.
        read = await plugin.ask(prompt, task.form, desk)
        return Completion(read.answer(), "plugin", plugin.model, read.usage)
    except ProviderFailed as error:
        if task.form == "bool" and error.kind is Kind.UNPARSABLE:
            return Completion(False, "plugin", plugin.model)
        host = urlsplit(plugin.url).hostname
        ctx = {"attempts": [{"backend": host, "model": plugin.model, "kind": error.kind.value}]}
        raise ModuleError("NO_PROVIDER_FOR_PROMPT", fatal=True, ctx=ctx) from None

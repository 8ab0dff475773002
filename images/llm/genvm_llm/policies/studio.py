"""The policy of GenLayer Studio: runs name backends, mocks and plugin in `host_data` (modules 2.12)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import cast
from urllib.parse import urlsplit

import structlog

from genvm_llm.answers import Undecided
from genvm_llm.backends import Completion
from genvm_llm.failures import ProviderFailed
from genvm_llm.merging import Json, numeric
from genvm_llm.plugin import Plugin, PluginUnusable
from genvm_llm.policies.mocks import mocked
from genvm_llm.prompt import SEED_LIMIT, Prompt, PromptMalformed, number
from genvm_llm.routing import Candidate, Desk
from genvm_llm.tasks import Task
from genvm_module.errors import ModuleError
from genvm_wire.calldata import Encodable
from genvm_wire.unsigned import is_unsigned

MAX_TOKENS = 4000
NOT_EXTRA = frozenset({"temperature", "max_tokens", "use_max_completion_tokens"})

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
    named = [task.caller.host_data.get(key) for key in ("studio_llm_id", "fallback_llm_id")]
    names = [name for name in named if isinstance(name, str)]
    candidates = [desk.candidate(name) for name in names]
    asked = [(one, _configured(prompt, one)) for one in candidates if one is not None]
    first_is_there = bool(candidates) and candidates[0] is not None
    try:
        return await desk.first_of(asked, task.form, fallback=not first_is_there)
    except ModuleError as error:
        if error.causes[0] != "NO_PROVIDER_FOR_PROMPT":
            raise
        told = error.ctx.get("attempts")
        attempts: list[Encodable] = [*told] if isinstance(told, list) else []
    unknown: list[Encodable] = [
        {"backend": name, "cause": "no such backend"}
        for name, candidate in zip(names, candidates, strict=True)
        if candidate is None
    ]
    # In the order in which they were named: nodes take the first for the run's own backend.
    failed = [*attempts, *unknown] if first_is_there else [*unknown, *attempts]
    log.error("studio_backends_failed", attempts=failed)
    raise ModuleError("NO_PROVIDER_FOR_PROMPT", fatal=True, ctx={"attempts": failed})


def _configured(prompt: Prompt, candidate: Candidate) -> Prompt:
    """With the parameters that Studio keeps in `meta.config`: the model's, else the backend's."""
    config = _config_in(candidate.model.meta) or _config_in(candidate.backend.config.meta)
    if config is None:
        return prompt
    extra = {key: numeric(value) for key, value in config.items() if key not in NOT_EXTRA}
    temperature = config.get("temperature")
    try:
        chosen = prompt.temperature if temperature is None else number(temperature, "temperature")
    except PromptMalformed as error:
        raise ModuleError("CONFIG_UNUSABLE", fatal=True, ctx={"rust_error": str(error)}) from None
    seed = extra.pop("seed", None) if _is_seed(config.get("seed")) else prompt.seed
    return replace(prompt, temperature=chosen, seed=cast("int | None", seed), extra=extra)


def _is_seed(value: Json) -> bool:
    return is_unsigned(value, SEED_LIMIT)


def _config_in(meta: Json) -> dict[str, Json] | None:
    config = meta.get("config") if isinstance(meta, dict) else None
    return config if isinstance(config, dict) else None


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
        if isinstance(error, Undecided):
            return Completion(False, "plugin", plugin.model)
        host = urlsplit(plugin.url).hostname
        ctx = {"attempts": [{"backend": host, "model": plugin.model, "kind": error.kind.value}]}
        raise ModuleError("NO_PROVIDER_FOR_PROMPT", fatal=True, ctx=ctx) from None

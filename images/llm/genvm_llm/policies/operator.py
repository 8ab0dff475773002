"""An operator's own policy: a Python file in a process of its own that never sees a key (docs/llm.md).

The file defines any of `mock(task)`, `choose(task, candidates)`, `rewrite(task, prompt, candidate)` and
`filter(task, answer, candidate)`. What it gets are plain values without secrets.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import cast

import structlog

from genvm_llm.answers import Answer, JsonObject
from genvm_llm.backends import Completion
from genvm_llm.failures import ProviderFailed
from genvm_llm.merging import Json
from genvm_llm.policies.hook_process import HookFailed, HookProcess
from genvm_llm.prompt import Prompt, PromptMalformed, read_prompt
from genvm_llm.routing import Attempt, Candidate, Desk, without_success
from genvm_llm.tasks import Task, require_text
from genvm_llm.workshop import IN_PLACE, WorkFailed, Workshop
from genvm_module.contract import ConfigurationRefused
from genvm_module.errors import ModuleError

SECRET_NAME = re.compile(r"key|token|secret|auth|password|cookie|signer|custom_plugin", re.IGNORECASE)
TEXT_FIELDS = ("user_message", "system_message", "temperature", "max_tokens", "seed", "extra")
log = structlog.get_logger(__name__)


class OperatorPolicy:
    """See `policy.Policy`. A hook that fails or dawdles makes the request fatal: it might have said no."""

    def __init__(self, process: HookProcess) -> None:
        self._process = process

    @classmethod
    async def start(cls, name: str, source: str | None) -> OperatorPolicy:
        """Raises ConfigurationRefused when the file cannot be read or run."""
        process = HookProcess(name, source)
        try:
            await process.start()
        except HookFailed as error:
            raise ConfigurationRefused(f"policy: {error}") from None
        return cls(process)

    async def answer(self, task: Task, desk: Desk) -> Completion:
        """See `policy.Policy.answer`."""
        require_text(task)
        facts = _facts(task)
        mock = await self._call("mock", facts)
        if mock is not None:
            return Completion(await _typed(mock, task, desk.workshop), "mock", "mock")
        fitting = desk.candidates(task.form, bool(task.prompt.images))
        failed: list[Attempt] = []
        for candidate in await self._chosen(facts, fitting):
            prompt = await self._rewritten(facts, task.prompt, candidate)
            try:
                completion = await desk.ask(candidate, prompt, task.form, fallback=bool(failed))
            except ProviderFailed as error:
                failed.append(Attempt(candidate, error))
                log.info("attempt_failed", **failed[-1].told())
                continue
            answer = await self._filtered(facts, task, completion, candidate, desk.workshop)
            return replace(completion, answer=answer)
        return without_success(failed)

    async def _chosen(self, facts: Json, fitting: list[Candidate]) -> list[Candidate]:
        """In the hook's order. Only what fits can be chosen."""
        chosen = await self._call("choose", facts, [_described(candidate) for candidate in fitting])
        if chosen is None:
            return fitting
        by_name = {(one.backend.config.id, one.model.name): one for one in fitting}
        if not isinstance(chosen, list):
            raise _refused("choose must return a list of candidates")
        picked: list[Candidate] = []
        for one in chosen:
            name = (one.get("backend"), one.get("model")) if isinstance(one, dict) else (None, None)
            if name not in by_name:
                raise _refused("choose returned a candidate that it was not offered")
            picked.append(by_name[name])
        return picked

    async def _rewritten(self, facts: Json, prompt: Prompt, candidate: Candidate) -> Prompt:
        shown = {name: value for name, value in asdict(prompt).items() if name in TEXT_FIELDS}
        changes = await self._call("rewrite", facts, cast("Json", shown), _described(candidate))
        if changes is None:
            return prompt
        if not isinstance(changes, dict):
            raise _refused("rewrite must return a dict")
        try:
            return replace(read_prompt({**shown, **changes}), images=prompt.images)
        except PromptMalformed as error:
            raise _refused(f"rewrite: {error}") from None

    async def _filtered(
        self, facts: Json, task: Task, completion: Completion, candidate: Candidate, workshop: Workshop
    ) -> Answer:
        answer = completion.answer
        shown: Json = answer.text if isinstance(answer, JsonObject) else answer
        changed = await self._call("filter", facts, shown, _described(candidate))
        return answer if changed is None else await _typed(changed, task, workshop)

    async def _call(self, hook: str, *arguments: Json) -> Json:
        try:
            return await self._process.call(hook, *arguments)
        except HookFailed as error:
            log.error("policy_failed", hook=hook, reason=str(error))
            raise _refused(str(error)) from None

    async def close(self) -> None:
        await self._process.close()


def _facts(task: Task) -> Json:
    """The task as a hook sees it: of `host_data` only what does not sound like a secret."""
    return {
        "kind": task.kind,
        "format": task.form,
        "role": task.caller.role,
        "run": task.caller.run,
        "images": len(task.prompt.images),
        "user_message": task.prompt.user_message,
        "host_data": without_secrets(task.caller.host_data),
    }


def without_secrets(value: object) -> Json:
    """`value` without map entries whose names sound like secrets."""
    if isinstance(value, Mapping):
        return {
            str(key): without_secrets(item) for key, item in value.items() if not SECRET_NAME.search(str(key))
        }
    if isinstance(value, list):
        return [without_secrets(item) for item in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def _described(candidate: Candidate) -> Json:
    backend, model = candidate.backend.config, candidate.model
    return {
        "backend": backend.id,
        "model": model.name,
        "provider": backend.provider,
        "priority": backend.priority,
        "supports_json": model.supports_json,
        "supports_image": model.supports_image,
        "meta": without_secrets(backend.meta),
        "model_meta": without_secrets(model.meta),
    }


async def _typed(value: Json, task: Task, workshop: Workshop) -> Answer:
    if task.form == "bool" and isinstance(value, bool):
        return value
    if task.form == "text" and isinstance(value, str):
        return value
    if task.form == "json":
        found = await _object(value, workshop)
        if found is not None:
            return found
    raise _refused(f"a hook answered with a value that is not a {task.form}")


async def _object(value: Json, workshop: Workshop) -> JsonObject | None:
    try:
        # What came over the policy's pipe as a value has been measured there.
        found = await workshop.do(
            "read_object", value, size=len(value) if isinstance(value, str) else IN_PLACE + 1
        )
    except WorkFailed as failure:
        raise _refused(str(failure)) from None
    return None if found is None else JsonObject(*found)


def _refused(text: str) -> ModuleError:
    return ModuleError("POLICY_FAILED", fatal=True, ctx={"rust_error": text})

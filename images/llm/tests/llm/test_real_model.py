"""The module's way with a real model: `make test-llm` shows every answer and why it ended (docs/llm.md).

Collected only when GENVM_TEST_LLM_URL is set, because no model can be assumed to be at hand.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from genvm_llm.answers import JsonObject
from genvm_llm.backends import Completion, assemble
from genvm_llm.configuration import read_config
from genvm_llm.failures import ProviderFailed
from genvm_llm.ledger import Ledger
from genvm_llm.posting import http_session
from genvm_llm.prompt import Format, Prompt
from genvm_llm.providers.endings import Ending, ending_of
from genvm_llm.tasks import JSON_SYSTEM
from genvm_llm.workshop import Workshop

URL = os.environ.get("GENVM_TEST_LLM_URL", "")
MODEL = os.environ.get("GENVM_TEST_LLM_MODEL", "")
KEY = os.environ.get("GENVM_TEST_LLM_KEY") or "none"
PROVIDER = os.environ.get("GENVM_TEST_LLM_PROVIDER") or "openai-compatible"
SWITCHES: dict[str, Any] = json.loads(os.environ.get("GENVM_TEST_LLM_SWITCHES") or "{}")
MOST_TOKENS = 256
"""Many times what any of these answers needs: who uses them up does not know how to end."""
SECONDS = 300.0
NEVER_ENDS = (
    "the model used up all tokens for an answer of one word: it never ends. Base models do that, and models "
    "whose server does not know their chat template. Take an instruction-tuned model, or give it a template"
)


class Asking:
    """One model, asked without fall-back, retry or policy."""

    def __init__(self, backend: Any, config: Any) -> None:
        self._backend, self._model = backend, backend.config.models[0]
        self.templates = config.templates
        self.ledger = Ledger()

    async def ask(self, prompt: Prompt, form: Format, about: str) -> Completion | ProviderFailed:
        """Shows what it was `about`, the answer or the failure, and why it ended."""
        shaped = self._model.shaped(prompt)
        try:
            completion: Completion = await self._backend.ask(self._model, shaped, form, SECONDS, self.ledger)
        except ProviderFailed as failure:
            print(f"\n{form}: {about}\n  failed: {failure.kind.value} {failure.ctx}")
            return failure
        answer, usage = completion.answer, completion.usage
        shown = answer.text if isinstance(answer, JsonObject) else repr(answer)
        print(
            f"\n{form}: {about}\n  {shown}\n  ended: {completion.finish}, {usage.input}+{usage.output} tokens"
        )
        return completion


@asynccontextmanager
async def real_model() -> AsyncIterator[Asking]:
    model = {"supports_json": True, "max_tokens": MOST_TOKENS, **SWITCHES}
    backend = {"host": URL, "provider": PROVIDER, "key": KEY, "models": {MODEL: model}}
    config = await asyncio.to_thread(read_config, {"backends": {"real": backend}})
    workshop = Workshop(workers=1)
    async with http_session(config.ways.tls) as http:
        yield Asking(assemble(config.backends.values(), http, workshop)["real"], config)
    await workshop.close()


if URL:

    @pytest.mark.timeout(900)
    async def test_a_real_model_ends_its_answer_and_says_what_it_cost() -> None:
        question = "What is the capital of France? Answer with one word."
        async with real_model() as asking:
            answers = [await asking.ask(Prompt(question, seed=seed), "text", question) for seed in (1, 2, 3)]
        completions = [answer for answer in answers if isinstance(answer, Completion)]
        assert completions, "no answer at all"
        assert all(isinstance(one.answer, str) and one.answer.strip() for one in completions)
        assert all(one.usage.total > 0 for one in completions)
        ended = [one for one in completions if ending_of(one.finish) is not Ending.LENGTH]
        assert ended, NEVER_ENDS

    @pytest.mark.timeout(900)
    async def test_what_a_real_model_gives_for_json_is_an_object_or_a_failed_attempt() -> None:
        """Without enforced JSON mode small models write something else: it is not passed on."""
        prompt = Prompt('Answer with this JSON object: {"colour": "blue"}', JSON_SYSTEM)
        async with real_model() as asking:
            answer = await asking.ask(prompt, "json", prompt.user_message)
        if isinstance(answer, ProviderFailed):
            assert answer.kind.value in ("unparsable", "cut_off"), answer.ctx
        else:
            assert isinstance(answer.answer, JsonObject)
            assert isinstance(json.loads(answer.answer.text), dict)

    @pytest.mark.timeout(900)
    async def test_a_real_model_decides_and_leaves_nothing_open_under_a_schema() -> None:
        pairs = {"Paris": "Paris", "Rome": "the moon is made of cheese"}
        async with real_model() as asking:
            template = asking.templates["eq_comparative"]
            answers = []
            for leader, validator in pairs.items():
                values = {"leader_answer": leader, "validator_answer": validator, "principle": "same meaning"}
                prompt = Prompt(template.filled(values), template.system)
                answers.append(await asking.ask(prompt, "bool", f"{leader!r} and {validator!r}"))
        left_open = [answer for answer in answers if isinstance(answer, ProviderFailed)]
        assert not (left_open and SWITCHES.get("json_mode") == "schema"), (
            "the server does not enforce the schema"
        )

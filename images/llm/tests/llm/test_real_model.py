"""The whole module with a real model behind an OpenAI-compatible endpoint: `make test-llm` (docs/llm.md).

Collected only when GENVM_TEST_LLM_URL is set, because no model can be assumed to be at hand.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from genvm_module.errors import ModuleError

from .talk import Talk, configured

URL = os.environ.get("GENVM_TEST_LLM_URL", "")
MODEL = os.environ.get("GENVM_TEST_LLM_MODEL", "")
KEY = os.environ.get("GENVM_TEST_LLM_KEY") or "none"


if URL:

    @asynccontextmanager
    async def real_model() -> AsyncIterator[Talk]:
        model = {"supports_json": True}
        backend = {"host": URL, "provider": "openai-compatible", "key": KEY, "models": {MODEL: model}}
        async with configured({"backends": {"real": backend}}) as service:
            yield Talk(service)

    @pytest.mark.timeout(600)
    async def test_a_real_model_answers_a_prompt_and_its_tokens_are_counted() -> None:
        async with real_model() as talk:
            answer = await talk.prompt("What is the capital of France? Answer with one word.")
            assert answer.strip()
            tokens = talk.conversation.statistics()["tokens"]
            assert isinstance(tokens, dict)
            assert tokens[f"real/{MODEL}"]["total"] > 0  # type: ignore[index, call-overload, operator]

    @pytest.mark.timeout(600)
    async def test_what_a_real_model_gives_for_json_is_an_object_or_a_failed_attempt() -> None:
        """Without enforced JSON mode small models write something else: it is not passed on."""
        async with real_model() as talk:
            try:
                text = await talk.prompt('Answer with this JSON object: {"colour": "blue"}', "json")
            except ModuleError as failure:
                attempts: Any = failure.ctx["attempts"]
                assert [attempt["kind"] for attempt in attempts] == ["unparsable"]
            else:
                assert isinstance(json.loads(text), dict)

    @pytest.mark.timeout(600)
    async def test_a_real_model_decides() -> None:
        async with real_model() as talk:
            assert await talk.compare("Paris", "Paris", "Both name the same city") in (True, False)

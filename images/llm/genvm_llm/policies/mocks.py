"""Answers that a run's `host_data` brings along, for tests of contracts (modules 2.12)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping

from genvm_llm.answers import Answer, JsonObject
from genvm_llm.prompt import Format
from genvm_llm.tasks import Task
from genvm_llm.workshop import WorkFailed, Workshop
from genvm_module.errors import ModuleError
from genvm_wire.calldata import Value

TABLES = {
    "EqComparative": "eq_principle_prompt_comparative",
    "EqNonComparativeValidator": "eq_principle_prompt_non_comparative",
}
PROMPT_TABLE = "response"


async def mocked(task: Task, workshop: Workshop) -> Answer | None:
    """The mock whose key occurs in the prompt, or None. Keys are plain text, longest first; `""` fits all.

    Raises ModuleError DESERIALIZING, fatal, for a mock that is not what the request needs.
    """
    mocks = task.caller.host_data.get("mock_response")
    table = mocks.get(TABLES.get(task.kind, PROMPT_TABLE)) if isinstance(mocks, Mapping) else None
    if not isinstance(table, Mapping):
        return None
    # Between two keys the thread lets the event loop have its turn.
    key = await asyncio.to_thread(_fitting, list(table), task.prompt.user_message)
    return None if key is None else await _answer(table[key], task.form, workshop)


def _fitting(keys: list[str], prompt: str) -> str | None:
    return next((key for key in sorted(keys, key=lambda key: (-len(key), key)) if key in prompt), None)


async def _answer(mock: Value, form: Format, workshop: Workshop) -> Answer:
    if form == "json":
        try:
            found = await workshop.do("read_object", mock, size=len(mock) if isinstance(mock, str) else 0)
        except WorkFailed:
            found = None
        if found is None:
            raise ModuleError("DESERIALIZING", fatal=True, ctx={"rust_error": "mock is not JSON"})
        return JsonObject(*found)
    if form == "bool":
        if isinstance(mock, bool):
            return mock
        raise ModuleError("DESERIALIZING", fatal=True, ctx={"rust_error": "mock is not a boolean"})
    if isinstance(mock, str):
        return mock
    return json.dumps(mock, ensure_ascii=False, default=str)

"""Answers that a run's `host_data` brings along, for tests of contracts (modules.md, 2.12)."""

from __future__ import annotations

import json
from collections.abc import Mapping

from genvm_llm.answers import Answer, json_object
from genvm_llm.json_text import NotAnObject
from genvm_llm.prompt import Format
from genvm_llm.tasks import Task
from genvm_module.errors import ModuleError
from genvm_wire.calldata import Value

TABLES = {
    "EqComparative": "eq_principle_prompt_comparative",
    "EqNonComparativeValidator": "eq_principle_prompt_non_comparative",
}
PROMPT_TABLE = "response"


def mocked(task: Task) -> Answer | None:
    """The mock whose key occurs in the prompt, or None. Keys are plain text, longest first; `""` fits all.

    Raises ModuleError DESERIALIZING, fatal, for a mock that is not what the request needs.
    """
    mocks = task.caller.host_data.get("mock_response")
    table = mocks.get(TABLES.get(task.kind, PROMPT_TABLE)) if isinstance(mocks, Mapping) else None
    if not isinstance(table, Mapping):
        return None
    for key in sorted(table, key=lambda key: (-len(key), key)):
        if key in task.prompt.user_message:
            return _answer(table[key], task.form)
    return None


def _answer(mock: Value, form: Format) -> Answer:
    if form == "json":
        try:
            return json_object(mock)
        except (NotAnObject, TypeError):
            raise ModuleError("DESERIALIZING", fatal=True, ctx={"rust_error": "mock is no JSON"}) from None
    if form == "bool":
        if isinstance(mock, bool):
            return mock
        raise ModuleError("DESERIALIZING", fatal=True, ctx={"rust_error": "mock is no boolean"})
    if isinstance(mock, str):
        return mock
    return json.dumps(mock, ensure_ascii=False, default=str)

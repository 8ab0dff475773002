"""From what a model replied to what a request gets (modules 1.8, 2.6, 2.7)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from genvm_llm.failures import Kind, ProviderFailed
from genvm_llm.json_text import NotAnObject, parse_object
from genvm_llm.merging import Json
from genvm_llm.prompt import Format
from genvm_llm.thoughts import without_thoughts
from genvm_module.contract import Transport
from genvm_module.values import carried
from genvm_wire.calldata import Encodable, Value


@dataclass(frozen=True, slots=True)
class JsonObject:
    """`value` with fractions as decimal text; `text` is JSON of the same object."""

    value: Mapping[str, Value]
    text: str


Answer: TypeAlias = "str | bool | JsonObject"


class Undecided(ProviderFailed):
    """A deciding answer without a boolean `result`: the next candidate is asked; failing that it is false."""


def answer_of(content: str | dict[str, Json] | None, form: Format) -> Answer:
    """Of a reply's content. Raises ProviderFailed when it is not what the format needs."""
    if content is None:
        content = ""
    if form == "text":
        text = without_thoughts(
            content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
        )
        return str(carried(text))
    try:
        found = json_object(content)
    except NotAnObject as error:
        failure = Undecided if form == "bool" else ProviderFailed
        raise failure("DESERIALIZING", Kind.UNPARSABLE, ctx={"rust_error": str(error)}) from None
    if form == "json":
        return found
    result = found.value.get("result")
    if isinstance(result, bool):
        return result
    raise Undecided("DESERIALIZING", Kind.UNPARSABLE, ctx={"rust_error": "no boolean under 'result'"})


def json_object(content: object) -> JsonObject:
    """Of text, or of an object as a JSON parser gives it. Raises NotAnObject."""
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=True)
    return JsonObject(*parse_object(text))


def data_of(answer: Answer, transport: Transport) -> Encodable:
    """The DATA of an answer: on S an object travels as its text."""
    if isinstance(answer, JsonObject):
        return answer.text if transport == "S" else dict(answer.value)
    return answer

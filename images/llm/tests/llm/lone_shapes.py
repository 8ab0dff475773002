"""Contents that are a part or a call alone, and what only looks so (modules.md, corrections 2 and 3)."""

from __future__ import annotations

import json
from typing import Any

from .answer_shapes import NO_ANSWER, OPEN, REFUSED, YES, Shape, chat

GIVEN = '{"result": true}'


def asked_for(**members: Any) -> Shape:
    """An object that a contract asked for, and got."""
    return Shape(chat(content=members), json.dumps(members), json.dumps(members), OPEN)


def part(answer: str, **members: Any) -> Shape:
    return Shape(chat(content=members), answer, answer, True)


LONE = {
    "JSON text alone in a part of its own type": part(YES, type="json", text=YES),
    "an object alone under a part's other name": part(GIVEN, type="output_json", json={"result": True}),
    "an object alone under the shorter name": part(GIVEN, type="json_object", json={"result": True}),
    "an object alone, with all members there may be": part(
        GIVEN, type="json", json={"result": True}, text=None, citations=[]
    ),
    "a part alone that says nothing": Shape(chat(content={"type": "text", "text": ""}), "", "{}", OPEN),
    "a refusal alone": Shape(chat(content={"type": "refusal", "refusal": "No."}), REFUSED),
    "an object with a part's members and an empty one": asked_for(type="text", text="why", tags=[]),
    "an object with a part's members and nothing in one": asked_for(type="text", text="why", score=None),
    "an object with a part's type and prose": asked_for(type="json", text="why"),
    "an object with a part's type and a name of anybody's": asked_for(type="json", data={"a": 1}),
    "an object that tells of a refusal": asked_for(type="answer", refusal="No."),
    "a tool call as text": Shape(
        chat(content=f'<think>hm</think>\n<tool_call>\n{{"name": "f", "arguments": {YES}}}\n</tool_call>'),
        NO_ANSWER,
    ),
    "prose that mentions a tool call": Shape(
        chat(content=f"Write <tool_call>: {YES}"), f"Write <tool_call>: {YES}", YES, True
    ),
}

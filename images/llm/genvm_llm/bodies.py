"""The JSON of a reply, also where a server answers in pieces although nobody asked for a stream.

Proxies do, and some write comments in front so that the connection stays open.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from genvm_llm.merging import Json
from genvm_llm.providers.exchange import at, list_at, text_at

CUT = "abort"
"""Why a stream ended that did not say so itself."""
_LINE_END = re.compile(r"\r\n|\n|\r")
"""No others: a text may hold whatever else Unicode ends a line with."""
_ASIDE = (":", "event:", "id:", "retry:")
"""Beginnings of lines of an event stream that carry nothing."""


def parsed(body: bytes) -> Json:
    """Raises ValueError, RecursionError."""
    try:
        whole: Json = json.loads(body)
    except ValueError:
        return _joined(_pieces(body.decode("utf-8-sig")))
    return whole


def _pieces(text: str) -> list[Json]:
    """One for each event or line. Raises ValueError."""
    lines = [line for line in _LINE_END.split(text) if line.strip() and not line.startswith(_ASIDE)]
    if lines and lines[0].lstrip().startswith("{"):
        try:
            return [json.loads("\n".join(lines))]  # behind comments
        except ValueError:
            pass
    said = [line.removeprefix("data:").strip() for line in lines]
    return [json.loads(one) for one in said if one != "[DONE]"]


def _joined(pieces: list[Json]) -> Json:
    """Raises ValueError for pieces of no known stream."""
    failed = next((one for one in pieces if at(one, "error")), None)
    if failed is not None:
        return failed
    if any(at(one, "choices", 0, "delta") is not None for one in pieces):
        return _chat(pieces)
    if len(pieces) == 1:
        return pieces[0]
    last = pieces[-1] if pieces else None
    if not isinstance(last, dict) or any(text_at(one, "response") is None for one in pieces):
        raise ValueError("no JSON")
    return {**last, "response": "".join(text_at(one, "response") or "" for one in pieces)}


def _chat(pieces: list[Json]) -> Json:
    """OpenAI's chunks as the answer that they are parts of."""
    choices = [choice for one in pieces for choice in list_at(one, "choices")[:1]]
    message: dict[str, Json] = {
        "content": _parts(at(choice, "delta", "content") for choice in choices),
        "refusal": "".join(text_at(choice, "delta", "refusal") or "" for choice in choices),
    }
    message["tool_calls"] = [call for choice in choices for call in list_at(choice, "delta", "tool_calls")]
    finish = _last(at(choice, "finish_reason") for choice in choices)
    return {
        "choices": [{"message": message, "finish_reason": finish or CUT}],
        "usage": _last(at(one, "usage") for one in pieces),
    }


def _parts(contents: Iterator[Json]) -> list[Json]:
    """Texts, or lists of parts, as those of a whole answer."""
    return [
        part
        for content in contents
        for part in (content if isinstance(content, list) else [content])
        if part is not None
    ]


def _last(values: Iterator[Json]) -> Json:
    """The last that says something."""
    return next((value for value in reversed([*values]) if value), None)

"""Replies under status 200 that are no answers: errors, refusals, tool calls (modules.md, correction 2)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from genvm_llm.failures import Kind, kind_of_status
from genvm_llm.merging import Json
from genvm_llm.waits import wait_of

LONGEST_REASON = 300
"""Characters in which a class is looked for."""
LONGEST_KEPT = 16 * 1024
"""Characters of a reason: more than is told, so that a key which begins in that part is whole, and masked."""
DEEPEST_ERROR = 3

_STATUS_BY_WORD = (
    ("rate_limit", 429), ("ratelimit", 429), ("resource_exhausted", 429), ("quota", 429),
    ("too_many_requests", 429), ("throttl", 429),
    ("context_length", 400), ("context_limit", 400), ("context_size", 400), ("context_window", 400),
    ("limit_reached", 429), ("capacity_exceeded", 429), ("too_many_tokens", 429),
    ("overloaded", 529), ("server_busy", 503), ("server_is_busy", 503), ("currently_loading", 503),
    ("loading_model", 503), ("capacity", 503), ("api_key", 401),
    ("authenticat", 401), ("unauthorized", 401), ("permission", 403), ("not_found", 404),
    ("timeout", 504), ("timed_out", 504), ("deadline", 504), ("unavailable", 503),
    ("invalid_", 400), ("bad_request", 400), ("server_error", 500),
    ("internal", 500), ("api_error", 500),
)  # fmt: skip


_CODES = (
    "code", "status", "status_code", "statusCode", "http_status", "error_code", "type", "reason", "__type",
    "error_type", "title",
)  # fmt: skip
_TEXTS = ("message", "detail", "msg", "error_msg", "errorMessage", "status_msg")
_INNER = ("error", "errors", "base_resp", "detail")
_REFUSES = re.compile(
    r"content_?(?:filter|policy|management|moderation)|moderation|data_?inspection|responsible_?ai"
    r"|inappropriate|prohibited_?content|sensitive_?(?:content|word)|safety_(?:check|filter|guideline|system)"
    r"|flagged"
)
"""In an error's names and words: it is the prompt that a filter took, not the request that was malformed."""
_FILTERED = frozenset({None, 400, 403})
"""Statuses that filters' errors come with."""
_SAID_STATUS = re.compile(
    r"(?:\A|(?:status|code|http|error)\W{0,3}(?:code)?\W{0,3})([45]\d\d)(?!\w)", re.IGNORECASE
)
"""A status in a sentence: `HTTP 429`, `Error code: 429 - …`, `429: …`; not any number of three digits."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a reply is no answer. `status`: what it would have had outside of a 200; `wait` in seconds."""

    kind: Kind
    reason: str
    status: int | None = None
    wait: float | None = None


def error_in(body: Json) -> Fault | None:
    """The error that a reply carries, whatever else it holds; also a reply that is no object."""
    if isinstance(body, list):
        inner = [fault for one in body[:1] if isinstance(one, dict) and (fault := error_in(one))]
        return inner[0] if inner else Fault(Kind.UNKNOWN, "the reply is a list")
    if not isinstance(body, dict):
        return Fault(Kind.UNKNOWN, "the reply is not an object")
    if fault := fault_in(body):
        return fault
    if isinstance(base := body.get("base_resp"), dict) and base.get("status_code"):
        return fault_of(base)
    if "error" in (body.get("type"), body.get("object")):
        return fault_of(body)
    return None


def fault_in(place: dict[str, Json]) -> Fault | None:
    """What the member `error` of a reply, or of a choice, says; None where it says that there is none."""
    error = place.get("error")
    if not error or _is_nothing(error):
        return None
    return fault_of(place if error is True else error)


def _is_nothing(error: Json) -> bool:
    """Some servers always send the member: where there is no error, with nulls or a code that says so."""
    if isinstance(error, dict):
        return not any(error.values()) or error.get("code") in (0, "0", 200, "200")
    return isinstance(error, str) and error.strip().lower() in ("", "null", "none")


def fault_of(error: Json) -> Fault:
    """Of an error object or an error's text, by its codes first, then its names, then its words."""
    status = _status(error)
    kind = Kind.UNKNOWN if status is None else kind_of_status(status)
    if status in _FILTERED and _refuses(error):
        kind = Kind.REFUSED
    return Fault(kind, f"an error inside a 200: {_words(error)}", status, _wait(error))


def wait_said(body: bytes) -> float | None:
    """How long an error's body asks to be left alone, in seconds: Google says it there, not in a header."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    fault = error_in(found)
    return None if fault is None else fault.wait


def missing(body: Json, name: str) -> Fault:
    """A reply without what answers stand in."""
    found = fault_of(body)
    return Fault(found.kind, f"the reply has no {name}", found.status, found.wait)


def refused(why: object) -> Fault:
    return Fault(Kind.REFUSED, f"the model or a filter refused: {str(why)[:LONGEST_KEPT]}")


def tool_called() -> Fault:
    return Fault(Kind.NO_ANSWER, "the model called a tool that nobody offered")


def is_call(call: Json) -> bool:
    """Whether a call of a tool names a tool or says something to it: some servers always send the member."""
    if not isinstance(call, dict):
        return bool(call)
    function = call.get("function", call)
    said = function.values() if isinstance(function, dict) else (function,)
    return any(value and value != "{}" for value in said)


def _status(error: Json, depth: int = 0) -> int | None:
    """`depth`: a proxy's error may hold a provider's, and a list of them counts by its first."""
    if isinstance(error, list):
        error = error[0] if error else None
    fields = error if isinstance(error, dict) else {"message": error}
    for name in (*_CODES, *_TEXTS):
        if (status := _status_in(fields.get(name))) is not None:
            return status
    inner = [found for name in _INNER if isinstance(found := fields.get(name), dict | list) and found]
    return _status(inner[0], depth + 1) if inner and depth < DEEPEST_ERROR else None


def _refuses(error: Json) -> bool:
    fields = error if isinstance(error, dict) else {"message": error}
    said = (fields.get(name) for name in (*_CODES, *_TEXTS))
    return any(_REFUSES.search(_normalised(text)) for text in said if isinstance(text, str))


def _normalised(text: str) -> str:
    return text[:LONGEST_REASON].lower().replace(" ", "_").replace("-", "_")


def _status_in(value: Json) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value if 400 <= value < 600 else None
    if not isinstance(value, str):
        return None
    text, word = value[:LONGEST_REASON], _normalised(value)
    named = next((status for part, status in _STATUS_BY_WORD if part in word), None)
    said = _SAID_STATUS.search(text)
    return int(said[1]) if named is None and said else named


def _words(error: Json) -> str:
    if isinstance(error, dict):
        names = (*_TEXTS, *_CODES)
        error = next((found for name in names if (found := error.get(name))), None)
    return str(error)[:LONGEST_KEPT]


def _wait(error: Json) -> float | None:
    """Seconds, where an error says them: OpenRouter's metadata, Google's RetryInfo."""
    if not isinstance(error, dict):
        return None
    metadata, details = error.get("metadata"), error.get("details")
    places: list[Json] = [error, metadata, *(details if isinstance(details, list) else [])]
    if isinstance(metadata, dict):
        places.append(metadata.get("headers"))
    for place in places:
        for name, value in place.items() if isinstance(place, dict) else ():
            if name.lower().replace("-", "_") in ("retry_after", "retry_after_seconds", "retrydelay"):
                return wait_of(str(value).removesuffix("s"))
    return None

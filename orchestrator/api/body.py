"""Reading what a client sent: bodies, queries, ids. Each failure has its class and a text for people."""

from __future__ import annotations

from typing import Any, TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from genvm_wire.unsigned import U64_MAX, unsigned_of
from orchestrator.api import json_text
from orchestrator.api.json_text import BadJson
from orchestrator.api.short_text import short

M = TypeVar("M", bound=BaseModel)

SHOWN_PROBLEMS = 3


class BadBody(Exception):
    """The body cannot be decoded at all (manager-api 1.3: 400)."""


class WrongShape(Exception):
    """The body decodes but is not what the endpoint takes (manager-api 1.3: 500)."""


class BadKey(WrongShape):
    """An idempotency key that no journal can keep, whichever this manager has (400)."""


class BodyTooLarge(Exception):
    """The body is over its route's limit, which the text says (413)."""


class BadHeader(Exception):
    """A header is not what the endpoint takes (400)."""


class BadQuery(Exception):
    """A query parameter is missing or not of its type (manager-api 1.3: 400)."""


def decode_json(body: bytes, *, most_bytes: int = 0) -> Any:
    """See `json_text.decode`. Raises BadBody. A content type is not asked for: clients send several."""
    try:
        return json_text.decode(body, most_bytes=most_bytes)
    except BadJson as error:
        raise BadBody(f"the body is not JSON that is accepted here: {error}") from None


def shaped(model: type[M], value: Any) -> M:
    """`value` as `model`. Raises WrongShape with the first problems; input values are never repeated."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False)
        shown = "; ".join(_words(problem) for problem in problems[:SHOWN_PROBLEMS])
        more = f" (and {len(problems) - SHOWN_PROBLEMS} more)" if len(problems) > SHOWN_PROBLEMS else ""
        raise WrongShape(f"invalid request: {shown}{more}") from None


def _words(problem: ErrorDetails) -> str:
    where = ".".join(str(part)[:100] for part in problem["loc"]) or "body"
    match problem["type"]:
        case "missing":
            return f"field missing: {where}"
        case "union_tag_invalid":
            # The library's own words repeat what is no tag.
            told = problem["ctx"]
            return f"{where}: {told['discriminator']} must be one of {told['expected_tags']}"
        case _:
            return short(f"{where}: {problem['msg']}")


def run_id_of(request: web.Request) -> int:
    """The id in the path; anything but an unsigned 64-bit decimal is an unknown path (404)."""
    run_id = unsigned_of(request.match_info["genvm_id"], U64_MAX)
    if run_id is None:
        raise web.HTTPNotFound
    return run_id


def required_query(request: web.Request, name: str) -> str:
    """A query parameter that has to be there. Raises BadQuery."""
    text = request.query.get(name)
    if text is None:
        raise BadQuery(f"query parameter {name} is missing")
    return text


def unsigned_query(request: web.Request, name: str, default: int | None) -> int:
    """An unsigned 64-bit query parameter; without a default it has to be there. Raises BadQuery."""
    if default is not None and name not in request.query:
        return default
    text = required_query(request, name)
    number = unsigned_of(text, U64_MAX)
    if number is None:
        raise BadQuery(f"query parameter {name} must be an unsigned integer, not {text[:40]!r}")
    return number

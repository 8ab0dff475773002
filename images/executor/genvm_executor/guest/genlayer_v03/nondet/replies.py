"""Replies of the modules, checked key by key (contract-sdk-v03 11)."""

from __future__ import annotations

import json
from typing import Any

from genlayer_core import calldata
from genlayer_core.pictures import Image


class NondetException(Exception):
    """A module reported an error, or its reply is none. `causes` are texts, `ctx` says more."""

    def __init__(self, causes: list[str], ctx: dict[str, Any] | None = None) -> None:
        super().__init__(": ".join(causes))
        self.causes = causes
        self.ctx = ctx or {}

    def __reduce__(self) -> Any:
        return (type(self), (self.causes, self.ctx))


def invalid(reason: str) -> NondetException:
    """For a reply that has not its form."""
    return NondetException([f"invalid nondeterministic response: {reason}"])


def ok_of(reply: bytes) -> Any:
    """What is under `ok`. Raises NondetException."""
    try:
        answer = calldata.decode(reply)
    except ValueError as error:
        raise invalid(f"invalid calldata: {error}") from error
    if not isinstance(answer, dict):
        raise invalid("expected a dict")
    if "error" in answer:
        raise _reported(answer["error"])
    if "ok" not in answer:
        raise invalid("missing `ok` or `error`")
    return answer["ok"]


def _reported(error: Any) -> NondetException:
    if not isinstance(error, dict) or "causes" not in error:
        return NondetException([str(error)])
    causes, ctx = error["causes"], error.get("ctx", {})
    if not isinstance(causes, list) or not all(isinstance(cause, str) for cause in causes):
        return invalid("invalid error details")
    if not isinstance(ctx, dict):
        return invalid("invalid error details")
    return NondetException(causes, ctx)


def text_of(reply: bytes) -> str:
    """A text answer."""
    answer = ok_of(reply)
    if not isinstance(answer, str):
        raise invalid("text result is not a string")
    return answer


def json_of(reply: bytes) -> Any:
    """A JSON answer: any value, fractions as float."""
    answer = ok_of(reply)
    if not isinstance(answer, str):
        raise invalid("JSON result is not text")
    try:
        return json.loads(answer)
    except (ValueError, RecursionError) as error:
        raise invalid(f"invalid JSON: {error}") from error


def response_of(reply: bytes) -> tuple[int, dict[str, bytes], bytes]:
    """Status, headers and body of a web response."""
    response = _web(reply).get("response")
    if not isinstance(response, dict):
        raise invalid("missing web response")
    status, headers, body = response.get("status"), response.get("headers"), response.get("body")
    if type(status) is not int or not 0 <= status < 1 << 16:
        raise invalid("web response status is not a u16")
    if not isinstance(headers, dict) or not all(isinstance(value, bytes) for value in headers.values()):
        raise invalid("web response headers are invalid")
    if not isinstance(body, bytes):
        raise invalid("web response body is invalid")
    return status, headers, body


def page_of(reply: bytes) -> str:
    """A rendered page."""
    text = _web(reply, "render").get("text")
    if not isinstance(text, str):
        raise invalid("render text is invalid")
    return text


def picture_of(reply: bytes) -> Image:
    """A screenshot."""
    raw = _web(reply, "render").get("image")
    if not isinstance(raw, bytes):
        raise invalid("render image is invalid")
    picture = Image(raw)
    if not picture.is_known:
        raise invalid("render image is invalid: cannot identify its format")
    return picture


def _web(reply: bytes, what: str = "web") -> dict[str, Any]:
    answer = ok_of(reply)
    if not isinstance(answer, dict):
        raise invalid(f"{what} result is not a dict")
    return answer

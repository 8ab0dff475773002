"""Requests of executors, in the form with a size limit (S) and without (W) (modules 1.9)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from genvm_module.errors import RequestMalformed
from genvm_web.timeouts import wait_seconds
from genvm_wire.calldata import Value

Mode: TypeAlias = Literal["text", "html", "screenshot"]
MODES: Mapping[str, Mode] = {"text": "text", "html": "html", "screenshot": "screenshot"}
METHODS = frozenset({"GET", "POST", "HEAD", "DELETE", "OPTIONS", "PATCH", "PUT"})


@dataclass(frozen=True, slots=True)
class RenderRequest:
    """`wait` is in seconds; `size_limit` in bytes, None where the executor names none."""

    url: str
    mode: Mode
    wait: float
    size_limit: int | None


@dataclass(frozen=True, slots=True)
class FetchRequest:
    """One HTTP request as the contract wrote it."""

    method: str
    url: str
    headers: Mapping[str, bytes]
    body: bytes | None
    sign: bool
    size_limit: int | None


@dataclass(frozen=True, slots=True)
class StatisticsRequest:
    """Asks for the counters since hello."""


WebRequest: TypeAlias = RenderRequest | FetchRequest | StatisticsRequest


def read_request(message: Value) -> WebRequest:
    """Unknown keys are ignored, types are not bent. Raises RequestMalformed."""
    match message:
        case "GetStats":
            return StatisticsRequest()
        case {"Render": value, **others} if not others:
            payload, limit = _with_limit(value)
            return _render(payload, limit)
        case {"Request": value, **others} if not others:
            payload, limit = _with_limit(value)
            return _fetch(payload, limit)
    raise RequestMalformed("neither Render nor Request nor GetStats")


def _with_limit(value: Value) -> tuple[Mapping[str, Value], int | None]:
    match value:
        case dict():
            return value, None
        case [dict() as payload, int(limit)] if not isinstance(limit, bool) and limit >= 0:
            return payload, limit
    raise RequestMalformed("neither a payload nor a payload with a size limit")


def _render(payload: Mapping[str, Value], size_limit: int | None) -> RenderRequest:
    mode = MODES.get(_text(payload, "mode"))
    if mode is None:
        raise RequestMalformed("'mode' is none of text, html and screenshot")
    wait = payload.get("wait_after_loaded", "0ms")
    try:
        seconds = wait_seconds(wait) if isinstance(wait, str) else None
    except ValueError:
        seconds = None
    if seconds is None:
        raise RequestMalformed("'wait_after_loaded' is not a whole number with ms or s")
    return RenderRequest(_text(payload, "url"), mode, seconds, size_limit)


def _fetch(payload: Mapping[str, Value], size_limit: int | None) -> FetchRequest:
    method, body, sign = _text(payload, "method"), payload.get("body"), payload.get("sign", False)
    if method not in METHODS:
        raise RequestMalformed("'method' is unknown")
    if not (body is None or isinstance(body, bytes)):
        raise RequestMalformed("'body' is neither bytes nor null")
    if not isinstance(sign, bool):
        raise RequestMalformed("'sign' is neither true nor false")
    return FetchRequest(method, _text(payload, "url"), _headers(payload), body, sign, size_limit)


def _headers(payload: Mapping[str, Value]) -> dict[str, bytes]:
    headers = payload.get("headers")
    if not isinstance(headers, dict):
        raise RequestMalformed("'headers' is not a map")
    result = {}
    for name, value in headers.items():
        if not isinstance(value, bytes):
            raise RequestMalformed("a header value is not bytes")
        result[name] = value
    return result


def _text(payload: Mapping[str, Value], key: str) -> str:
    value = payload.get(key)
    if not isinstance(value, str):
        raise RequestMalformed(f"{key!r} is not text")
    return value

"""Web pages and requests (contract-sdk 10)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from genlayer_core import requests as _requests
from genlayer_core.deferred import LazyCapable as _LazyCapable
from genlayer_core.types import Lazy

from genlayer.inner.reply import Image
from genlayer.inner.reply import module_value as _module_value

_NO_HEADERS: Mapping[str, str | bytes] = {}

Headers = Mapping[str, str | bytes]


@dataclass
class Response:
    """An HTTP response; header values are bytes."""

    status: int
    headers: dict[str, bytes]
    body: bytes | None


def _as_bytes(value: str | bytes) -> bytes:
    return value.encode("utf-8") if isinstance(value, str) else value


@_LazyCapable
def render(
    url: str,
    *,
    mode: Literal["text", "html", "screenshot"] = "text",
    wait_after_loaded: str | None = None,
) -> Lazy[Any]:
    """A page in a browser: its text or HTML as str, or a screenshot as `Image`.

    `wait_after_loaded` is like "500ms" or "3s". Raises NondetException when the page cannot be had.
    """
    wait = "0ms" if wait_after_loaded is None else wait_after_loaded
    reply = _requests.ask("WebRender", {"url": url, "mode": mode, "wait_after_loaded": wait})

    def read() -> Any:
        answer = _module_value(reply)
        return Image(answer["image"]) if mode == "screenshot" else answer["text"]

    return Lazy(read)


def _send(url: str, method: str, body: str | bytes | None, headers: Headers) -> Lazy[Response]:
    payload = {
        "url": url,
        "method": method,
        "headers": {name: _as_bytes(value) for name, value in headers.items()},
        "body": None if body is None else _as_bytes(body),
    }
    reply = _requests.ask("WebRequest", payload)

    def read() -> Response:
        answer = _module_value(reply)["response"]
        return Response(status=answer["status"], headers=answer["headers"], body=answer["body"])

    return Lazy(read)


@_LazyCapable
def request(
    url: str, *, method: str, body: str | bytes | None = None, headers: Headers = _NO_HEADERS
) -> Lazy[Response]:
    """An HTTP request. Text bodies and header values are sent as UTF-8."""
    return _send(url, method, body, headers)


@_LazyCapable
def get(url: str, *, headers: Headers = _NO_HEADERS) -> Lazy[Response]:
    """A GET request."""
    return _send(url, "GET", None, headers)


def _with_body(method: str) -> Callable[..., Lazy[Response]]:
    def send(url: str, *, body: str | bytes | None = None, headers: Headers = _NO_HEADERS) -> Lazy[Response]:
        return _send(url, method, body, headers)

    send.__name__ = send.__qualname__ = method.lower()
    send.__doc__ = f"A {method} request."
    return send


post = _LazyCapable(_with_body("POST"))
delete = _LazyCapable(_with_body("DELETE"))
head = _LazyCapable(_with_body("HEAD"))
patch = _LazyCapable(_with_body("PATCH"))

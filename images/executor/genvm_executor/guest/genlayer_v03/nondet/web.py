"""Web pages and requests (contract-sdk-v03 11)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from genlayer_core import requests as _requests
from genlayer_core.deferred import LazyCapable as _LazyCapable
from genlayer_core.pictures import Image
from genlayer_core.types import Lazy

from .replies import page_of as _page_of
from .replies import picture_of as _picture_of
from .replies import response_of as _response_of

Headers = Mapping[str, str | bytes] | None
Body = str | bytes | None


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
    /,
    *,
    mode: Literal["text", "html", "screenshot"] = "text",
    wait_after_loaded: str | None = None,
) -> Lazy[Any]:
    """A page in a browser: its text or HTML as str, or a screenshot as `Image`.

    `wait_after_loaded` is like "500ms" or "3s". Raises NondetException when the page cannot be had.
    """
    wait = "0ms" if wait_after_loaded is None else wait_after_loaded
    reply = _requests.ask("WebRender", {"url": url, "mode": mode, "post_load_wait": wait})
    return Lazy(lambda: _picture_of(reply) if mode == "screenshot" else _page_of(reply))


def _send(method: str, url: str, body: Body, headers: Headers, sign: bool) -> Lazy[Response]:
    payload = {
        "url": url,
        "method": method,
        "headers": {name: _as_bytes(value) for name, value in (headers or {}).items()},
        "body": None if body is None else _as_bytes(body),
        "sign": sign,
    }
    reply = _requests.ask("WebRequest", payload)
    return Lazy(lambda: Response(*_response_of(reply)))


@_LazyCapable
def request(
    url: str, /, *, method: str, body: Body = None, headers: Headers = None, sign: bool = False
) -> Lazy[Response]:
    """An HTTP request. Text bodies and header values are sent as UTF-8; `sign`: by the node's signer."""
    return _send(method, url, body, headers, sign)


@_LazyCapable
def get(url: str, /, *, headers: Headers = None, sign: bool = False) -> Lazy[Response]:
    """A GET request."""
    return _send("GET", url, None, headers, sign)


def _with_body(method: str) -> Callable[..., Lazy[Response]]:
    def send(
        url: str, /, *, body: Body = None, headers: Headers = None, sign: bool = False
    ) -> Lazy[Response]:
        return _send(method, url, body, headers, sign)

    send.__name__ = send.__qualname__ = method.lower()
    send.__doc__ = f"A {method} request."
    return send


post = _LazyCapable(_with_body("POST"))
put = _LazyCapable(_with_body("PUT"))
delete = _LazyCapable(_with_body("DELETE"))
head = _LazyCapable(_with_body("HEAD"))
options = _LazyCapable(_with_body("OPTIONS"))
patch = _LazyCapable(_with_body("PATCH"))

__all__ = (
    "Image",
    "Response",
    "delete",
    "get",
    "head",
    "options",
    "patch",
    "post",
    "put",
    "render",
    "request",
)

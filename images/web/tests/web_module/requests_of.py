"""Requests as executors write them, and what the answers hold."""

from __future__ import annotations

from typing import Any

from genvm_web.conversation import WebConversation
from genvm_wire.calldata import Encodable, Value, decode, encode

LIMIT = 1 << 20


def request(url: str, method: str = "GET", *, limit: int | None = LIMIT, **more: Value) -> Value:
    """In the form with a size limit, or without one."""
    payload: dict[str, Value] = {"method": method, "url": url, "headers": {}, "body": None, "sign": False}
    payload |= more
    return {"Request": payload if limit is None else [payload, limit]}


def render(url: str, mode: str = "text", wait: str = "0ms", *, limit: int | None = LIMIT) -> Value:
    payload: dict[str, Value] = {"mode": mode, "url": url, "wait_after_loaded": wait}
    return {"Render": payload if limit is None else [payload, limit]}


def carried(value: Encodable) -> Any:
    """What arrives of an answer at the other end of the wire."""
    return decode(encode(value))


async def fetch(conversation: WebConversation, url: str, method: str = "GET", **more: Any) -> dict[str, Any]:
    """The `response` of a request. Raises ModuleError."""
    answer: dict[str, Any] = carried(await conversation.answer(request(url, method, **more)))
    assert set(answer) == {"response"}
    assert set(answer["response"]) == {"body", "headers", "status"}
    response: dict[str, Any] = answer["response"]
    return response

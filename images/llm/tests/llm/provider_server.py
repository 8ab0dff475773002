"""A real HTTP server on loopback that speaks each provider's wire format, and misbehaves when told to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Body = dict[str, Any]


def openai_reply(text: str | None = "4", finish: str = "stop") -> Body:
    message = {"role": "assistant"} if text is None else {"role": "assistant", "content": text}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": {
            "prompt_tokens": 11,
            "completion_tokens": 5,
            "total_tokens": 16,
            "prompt_tokens_details": {"cached_tokens": 3},
        },
    }


def anthropic_reply(text: str = "4", tool: Body | None = None) -> Body:
    content: list[Body] = [{"type": "thinking", "thinking": "…"}, {"type": "text", "text": text}]
    if tool is not None:
        content.append({"type": "tool_use", "id": "t", "name": "json_out", "input": tool})
    return {
        "type": "message",
        "content": content,
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 11, "output_tokens": 5, "cache_creation_input_tokens": 2},
    }


def google_reply(text: str | None = "4", finish: str = "STOP") -> Body:
    content: Body = {"role": "model"} if text is None else {"parts": [{"text": text}], "role": "model"}
    return {
        "candidates": [{"content": content, "finishReason": finish}],
        "usageMetadata": {"promptTokenCount": 11, "candidatesTokenCount": 5, "totalTokenCount": 20},
    }


def ollama_reply(text: str = "4") -> Body:
    return {"model": "m", "response": text, "done": True, "prompt_eval_count": 11, "eval_count": 5}


@dataclass
class Received:
    path: str
    headers: dict[str, str]
    body: Body


@dataclass
class ProviderServer:
    """`answers` are used one after the other, the last for ever: JSON bodies, statuses, or handlers."""

    url: str = ""
    answers: list[Body | int | Callable[[web.Request], Any]] = field(default_factory=lambda: [openai_reply()])
    received: list[Received] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    dropped: asyncio.Event = field(default_factory=asyncio.Event)
    at_once: int = 0
    most_at_once: int = 0

    async def handle(self, request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.received.append(Received(request.path_qs, headers, json.loads(await request.read() or b"null")))
        self.arrived.set()
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        try:
            answer = self.answers[min(len(self.received), len(self.answers)) - 1]
            if isinstance(answer, int):
                return web.json_response({"error": {"message": "refused"}}, status=answer)
            if isinstance(answer, dict):
                return web.json_response(answer)
            response: web.StreamResponse = await answer(request)
            return response
        except asyncio.CancelledError:
            self.dropped.set()
            raise
        finally:
            self.at_once -= 1


async def never(request: web.Request) -> web.StreamResponse:
    """Take the request and say nothing."""
    await asyncio.Event().wait()
    return web.Response()


def raw(
    body: bytes, status: int = 200, content_type: str = "application/json"
) -> Callable[[web.Request], Any]:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(body=body, status=status, content_type=content_type)

    return answer


async def cut_off(request: web.Request) -> web.StreamResponse:
    """Announce a body and close the connection in the middle of it."""
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b'{"choices": [')
    assert request.transport is not None
    request.transport.close()
    return response


async def broken_chunk(request: web.Request) -> web.StreamResponse:
    """A body whose second chunk has no size; the connection stays."""
    assert isinstance(request.transport, asyncio.Transport)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    request.transport.write(head + b"1\r\n{\r\nzz\r\n")
    return await never(request)


async def endless(request: web.Request) -> web.StreamResponse:
    """A body that never ends."""
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b" " * 1_000_000)


@asynccontextmanager
async def provider(*answers: Body | int | Callable[[web.Request], Any]) -> AsyncIterator[ProviderServer]:
    server = ProviderServer()
    if answers:
        server.answers = list(answers)
    app = web.Application(client_max_size=64 << 20)
    app.router.add_route("*", "/{tail:.*}", server.handle)
    runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        await runner.cleanup()

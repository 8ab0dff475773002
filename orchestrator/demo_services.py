"""What the demo's contract asks: a page and a stand-in for a language model, served on this machine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any

from aiohttp import web
from docker.errors import DockerException

from orchestrator.engine_client import engine_client

# How a module calls the machine that its container runs on.
MACHINE = "host.docker.internal"
LOOPBACK = "127.0.0.1"
KEY = "demo-key-of-the-stand-in"
KEY_NAME = "GENVM_DEMO_KEY"
RATE = "One euro is 1.08 dollars"
PAGE = f"<html><head><title>Rates</title></head><body><h1>Rates</h1><p>{RATE}.</p></body></html>"


@dataclass
class Services:
    """Running services. `prompts` are those that the stand-in has answered."""

    port: int = 0
    prompts: list[str] = field(default_factory=list)

    @property
    def page(self) -> str:
        return f"http://{MACHINE}:{self.port}/rates"

    @property
    def web_config(self) -> dict[str, Any]:
        """The page's host is private and its port odd: contracts reach it because it is on this list."""
        return {"always_allow_hosts": [MACHINE]}

    @property
    def llm_config(self) -> dict[str, Any]:
        stand_in = {
            "provider": "openai-compatible",
            "host": f"http://{MACHINE}:{self.port}",
            "key": f"${{ENV[{KEY_NAME}]}}",
            "models": {"stand-in": {"supports_json": True}},
        }
        return {"backends": {"demo": stand_in}}

    async def rates(self, _: web.Request) -> web.Response:
        return web.Response(text=PAGE, content_type="text/html")

    async def complete(self, request: web.Request) -> web.Response:
        """One chat completion: `yes` when the prompt holds the rate that the page tells."""
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            return web.json_response({"error": {"message": "no such key"}}, status=401)
        body: Mapping[str, Any] = await request.json()
        prompt = "\n".join(str(message.get("content")) for message in body["messages"])
        self.prompts.append(prompt)
        verdict = '{"verdict": "yes"}' if RATE in prompt else '{"verdict": "no"}'
        usage = {"prompt_tokens": len(prompt.split()), "completion_tokens": 1}
        usage["total_tokens"] = sum(usage.values())
        message = {"role": "assistant", "content": verdict}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return web.json_response({"object": "chat.completion", "choices": [choice], "usage": usage})


@asynccontextmanager
async def serving() -> AsyncIterator[Services]:
    """Serve both where containers reach the machine, and nobody outside does."""
    services = Services()
    app = web.Application()
    app.router.add_get("/rates", services.rates)
    app.router.add_post("/v1/chat/completions", services.complete)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        services.port = await _listen(runner, await asyncio.to_thread(_bridge_address))
        yield services
    finally:
        await runner.cleanup()


async def _listen(runner: web.AppRunner, address: str | None) -> int:
    if address is not None:
        # An engine in a machine of its own has the bridge there; it leads its containers to our loopback.
        with suppress(OSError):
            await web.TCPSite(runner, address, 0).start()
    if not runner.addresses:
        await web.TCPSite(runner, LOOPBACK, 0).start()
    return int(runner.addresses[0][1])


def _bridge_address() -> str | None:
    """The machine's address on the engine's default bridge. Blocking."""
    try:
        client = engine_client(None)
        try:
            network = client.inspect_network("bridge")
        finally:
            client.close()
    except DockerException:
        return None
    pools = (network.get("IPAM") or {}).get("Config") or [{}]
    return gateway_of(pools[0])


def gateway_of(pool: Mapping[str, str]) -> str | None:
    """The bridge's own address. An engine that has only just made its bridge names the subnet alone."""
    if gateway := pool.get("Gateway"):
        return gateway
    try:
        return str(next(ip_network(pool["Subnet"]).hosts()))
    except (KeyError, ValueError, StopIteration):
        return None

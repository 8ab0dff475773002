"""What tests of modules order and look at, and runs that ask the modules."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack
from typing import Any

from orchestrator.modules.kinds import ModuleKind
from orchestrator.modules.status import ModuleStatus
from tests.integration.manager.conftest import Client, listening_node

LLM, WEB = {"module_type": "Llm"}, {"module_type": "Web"}
STARTED = (200, {"result": "module_started"})
HELD = {"module": "llm", "sleep": 0}


async def order(client: Client, what: str, **body: Any) -> tuple[int, Any]:
    return await client.ask("POST", f"/module/{what}", json=body)


async def start_both(client: Client, **config: Any) -> None:
    for kind in (LLM, WEB):
        assert await order(client, "start", **kind, config={"tag": "first", **config}) == STARTED


async def module_status(client: Client, kind: str) -> dict[str, Any]:
    status = (await client.ask("GET", "/status"))[1]
    found: dict[str, Any] = status["modules"][kind]
    assert status[f"{kind}_module"] == found["state"]
    return found


async def asked(client: Client, nodes: AsyncExitStack, *questions: dict[str, Any], **changes: Any) -> int:
    """A run under way that asks the modules; nondeterministic, as generation A has it."""
    body = client.body({"ask": list(questions)}, **{"is_sync": False, **changes})
    await nodes.enter_async_context(listening_node(body["host"]))
    return await client.run(body)


async def answers(client: Client, run_id: int) -> list[Any]:
    status = await client.finished(run_id)
    return [json.loads(line) for line in status["stdout"].splitlines()]


def now(client: Client, kind: str) -> ModuleStatus:
    return client.manager.modules.statuses()[ModuleKind(kind)]


def pid_of(client: Client, kind: str) -> int:
    return int(now(client, kind).container_id or 0)


async def under_way(client: Client, kind: str, count: int) -> None:
    """Until the module's current instance has so many sessions."""
    await client.until(lambda: now(client, kind).sessions == count)

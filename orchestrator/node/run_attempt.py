"""One run, driven the way generation A nodes drive it (manager-api 6.1)."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from orchestrator.node.errors import HostBroken, ManagerUnreachable
from orchestrator.node.host_server import HostServer
from orchestrator.node.manager_client import ManagerClient
from orchestrator.node.stage import RunStage

CHAIN_ID: Final = 61999
PROBE_AFTER: Final = 1.0
"""Seconds from the start to the one look whether the run has died."""
LAST_STATUS: Final = 30
"""Seconds for the manager to know that a run has ended which it was told to end."""
LAST_WORDS: Final = 2.0
"""Seconds a connected executor gets to be read to its end once the manager calls the run finished."""


@dataclass(slots=True)
class Attempt:
    """How one run went."""

    run_id: int | None = None
    status: dict[str, Any] | None = None
    failure: str = ""
    timings: dict[str, float] = field(default_factory=dict)


def run_request(stage: RunStage, host: str, *, is_sync: bool, node_data: dict[str, str]) -> dict[str, Any]:
    """The JSON body of `POST /genvm/run` (section 3.3.1; message: host-protocol 6.1)."""
    now = datetime.now(UTC)
    seen = stage.moment or now
    origin = stage.origin or stage.sender
    return {
        "major": 0,
        "message": {
            "contract_address": _base64(stage.contract.raw),
            "sender_address": _base64(stage.sender.raw),
            "origin_address": _base64(origin.raw),
            "chain_id": str(CHAIN_ID),
            "value": stage.value or None,
            "is_init": stage.is_deploy,
            "datetime": _written(seen),
        },
        "is_sync": is_sync,
        "capture_output": True,
        "max_execution_minutes": 20,
        "host_data": json.dumps(node_data),
        # Which executor serves is a matter of today, whatever moment the contract sees.
        "timestamp": _written(now),
        "host": host,
        "extra_args": ["--debug-mode"],
    }


async def attempt(
    manager: ManagerClient,
    stage: RunStage,
    *,
    is_sync: bool,
    node_data: dict[str, str],
    limit_s: float,
    listen: str | None = None,
) -> Attempt:
    """Run the stage once; what the executor did is on it. `listen`: see HostServer.

    Raises ManagerRefused, ManagerUnreachable, BadRequest.
    """
    outcome = Attempt()
    now = asyncio.get_running_loop().time
    begun = now()
    async with HostServer(stage, "T15a", listen=listen) as host:
        serving = asyncio.create_task(host.serve(), name="host")
        try:
            request = run_request(stage, host.uri, is_sync=is_sync, node_data=node_data)
            outcome.run_id = await manager.start_run(request)
            outcome.timings["accepted"] = now() - begun
            await _watch(manager, outcome, serving, begun, limit_s)
        finally:
            served = serving.done() and not serving.cancelled() and serving.exception() is None
            outcome.failure = await _stop(serving) or outcome.failure
            if outcome.run_id is not None and not served:
                await manager.end_run(outcome.run_id)
        if host.connected_at is not None:
            outcome.timings["connected"] = host.connected_at - begun
    # What the run printed is there once the manager has heard of its end, which may be after its node has.
    # One that its node has heard to its end ends by itself: an order to end it would only have to be served.
    status = await manager.status(outcome.run_id, wait=LAST_STATUS)
    if status is None and served:
        await manager.end_run(outcome.run_id)
        status = await manager.status(outcome.run_id, wait=LAST_STATUS)
    outcome.status = status or outcome.status
    outcome.timings["total"] = now() - begun
    return outcome


async def _watch(
    manager: ManagerClient, outcome: Attempt, serving: asyncio.Task[None], begun: float, limit_s: float
) -> None:
    """Wait for the host's conversation, with one probe after a second and the node's own limit."""
    now = asyncio.get_running_loop().time
    await asyncio.wait({serving}, timeout=max(0.0, begun + PROBE_AFTER - now()))
    if not serving.done() and outcome.run_id is not None:
        with suppress(ManagerUnreachable):
            outcome.status = await manager.status(outcome.run_id)
        left = LAST_WORDS if outcome.status is not None else begun + limit_s - now()
        await asyncio.wait({serving}, timeout=max(0.0, left))
    if serving.done():
        outcome.timings["result"] = now() - begun
    elif outcome.status is not None:
        outcome.failure = "the run ended before its result"
    else:
        outcome.failure = too_late(limit_s)


def too_late(limit_s: float) -> str:
    """What is said of a run that went on for longer."""
    return f"no result within {limit_s:g} s"


async def _stop(serving: asyncio.Task[None]) -> str:
    """End the host's task; why its conversation failed, if it did."""
    serving.cancel()
    await asyncio.wait({serving})
    if serving.cancelled():
        return ""
    error = serving.exception()
    if error is not None and not isinstance(error, HostBroken):
        raise error
    return str(error or "")


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _base64(raw: bytes) -> str:
    return b64encode(raw).decode()

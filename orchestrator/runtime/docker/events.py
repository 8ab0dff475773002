"""The engine's one event stream for all containers of this manager.

The engine keeps only its last 256 events and may be restarted: the stream is for speed, never for truth. Each
(re)connection therefore asks for a relist, and takes the stream up where it broke for what happens meanwhile.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol, cast

import structlog
import tenacity
from docker import APIClient

from orchestrator.event_loop import call_on
from orchestrator.runtime.docker.engine import Engine, lines
from orchestrator.runtime.port import EngineRefused, EngineUnreachable

log = structlog.get_logger(__name__)

ACTIONS = ("die", "oom", "destroy")
LONGEST_DELAY = 3
"""Times the first one, between two tries to connect: an engine that is back is noticed so soon."""


@dataclass(frozen=True, slots=True)
class ContainerEvent:
    """`action` is one of ACTIONS; `time_ns` is the engine's clock; `exit_code` comes with `die`."""

    container_id: str
    action: str
    time_ns: int
    exit_code: int | None = None


def parse(line: bytes) -> ContainerEvent:
    """One event of the stream. Raises ValueError for anything that is not one of ours."""
    event = json.loads(line)
    if not isinstance(event, dict):
        raise ValueError("event is not an object")
    actor = event.get("Actor")
    actor = actor if isinstance(actor, dict) else {}
    container_id = actor.get("ID")
    action, time_ns = event.get("Action"), event.get("timeNano")
    if event.get("Type") != "container" or not isinstance(container_id, str) or action not in ACTIONS:
        raise ValueError(f"not a container event: {str(event.get('Action'))[:40]}")
    if not isinstance(time_ns, int):
        raise ValueError("event without a time")
    return ContainerEvent(container_id, str(action), time_ns, _exit_code(actor))


def _exit_code(actor: Mapping[str, object]) -> int | None:
    attributes = actor.get("Attributes")
    text = attributes.get("exitCode") if isinstance(attributes, dict) else None
    return int(text) if isinstance(text, str) and text.isascii() and text.isdigit() else None


class _Stream(Protocol):
    def close(self) -> None: ...


class EventStream:
    """Follows the stream for ever, in the engine's stream thread, and reconnects when it breaks."""

    def __init__(
        self,
        engine: Engine,
        label: str,
        on_event: Callable[[ContainerEvent], None],
        on_connect: Callable[[], None],
        reconnect_delay: float,
        *,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._engine = engine
        self._filters = {"type": "container", "label": label, "event": list(ACTIONS)}
        self._on_event = on_event
        self._on_connect = on_connect
        self._reconnect_delay = reconnect_delay
        self._pause = pause
        self._told = False
        self._lock = threading.Lock()
        self._stream: _Stream | None = None
        self._last_ns = 0
        self._stopped = False
        self.connected = False
        self.connections = 0

    async def follow(self) -> None:
        """Run until cancelled; `interrupt` must follow a cancellation to end the thread."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                async for attempt in self._attempts():
                    with attempt:
                        await self._one_connection(loop)
                await self._ask_engine()
                await self._pause(self._reconnect_delay)
        finally:
            self._stopped = True
            self.interrupt()

    def _attempts(self) -> tenacity.AsyncRetrying:
        """To open it once."""
        return tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception_type((EngineUnreachable, EngineRefused)),
            wait=tenacity.wait_exponential(self._reconnect_delay, max=LONGEST_DELAY * self._reconnect_delay),
            before_sleep=self._ask_engine,
            sleep=self._pause,
        )

    async def _ask_engine(self, _: object = None) -> None:
        """Whether the stream broke or the engine is away is known at once, not at the next call."""
        with suppress(EngineUnreachable, EngineRefused):
            await self._engine.quick(lambda client: client.ping())

    async def _one_connection(self, loop: asyncio.AbstractEventLoop) -> None:
        """Until it ends. Raises EngineUnreachable, EngineRefused where it could not be opened."""
        try:
            await self._engine.in_stream_thread(lambda client: self._read(client, loop))
            self._tell("event_stream_ended")
        except (EngineUnreachable, EngineRefused) as error:
            self._tell("event_stream_broken", error=str(error))
            if not self.connected:
                raise
        finally:
            self.connected = False

    def _tell(self, event: str, **fields: str) -> None:
        """Loudly once, until it was open again: an engine may be away for hours."""
        tell = log.debug if self._told else log.warning
        self._told = True
        tell(event, **fields)

    def _read(self, client: APIClient, loop: asyncio.AbstractEventLoop) -> None:
        # Whole seconds, rounded down: repeated events do no harm.
        since = self._last_ns // 10**9 or None
        stream = client.events(since=since, filters=self._filters, decode=False)
        with self._lock:
            if self._stopped:
                stream.close()
                return
            self._stream = stream
        try:
            call_on(loop, self._opened)
            for line in lines(cast("Iterator[bytes]", stream)):
                call_on(loop, self._deliver, line)
        finally:
            with self._lock:
                self._stream = None
            with suppress(OSError, ValueError, AttributeError):
                stream.close()

    def _opened(self) -> None:
        self.connected = True
        self._told = False
        self.connections += 1
        log.debug("event_stream_connected", connections=self.connections)
        self._on_connect()

    def _deliver(self, line: bytes) -> None:
        try:
            event = parse(line)
        except ValueError as error:
            log.warning("event_skipped", error=str(error)[:200])
            return
        self._last_ns = max(self._last_ns, event.time_ns)
        self._on_event(event)

    def interrupt(self) -> None:
        """Cut the stream's connection; unless it was stopped, it comes back by itself."""
        with self._lock:
            if self._stream is not None:
                with suppress(OSError, ValueError, AttributeError):
                    self._stream.close()

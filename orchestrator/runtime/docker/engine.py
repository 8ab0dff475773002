"""The engine's API, called from asyncio: low-level clients, bounded threads, one kind of error.

One client per kind of call, because a Docker client has one timeout for everything, and because a queue of
slow starts must not stand before a kill.
"""

from __future__ import annotations

import asyncio
import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import docker.errors
import requests.exceptions
import structlog
import tenacity
import urllib3.exceptions
from docker import APIClient

from orchestrator.engine_client import engine_client
from orchestrator.runtime.call_tally import CallTally
from orchestrator.runtime.docker.counted import CountedClient
from orchestrator.runtime.docker.settings import DockerSettings
from orchestrator.runtime.port import EngineRefused, EngineUnreachable

log = structlog.get_logger(__name__)
T = TypeVar("T")

PROBE_TIMEOUT = 2.0
"""Seconds; an engine that is there answers a ping at once."""

_AWAY = (
    requests.exceptions.ConnectionError,
    requests.exceptions.Timeout,
    requests.exceptions.ChunkedEncodingError,
    urllib3.exceptions.HTTPError,
    OSError,
)


class EngineNotFound(EngineRefused):
    """The engine answered 404: no such container, or no such image."""


class EngineConflict(EngineRefused):
    """The engine answered 409: the name is taken, the container does not run, or a removal is under way."""


def translate(error: Exception) -> EngineRefused | EngineUnreachable:
    """The port's error for what the Docker SDK raised."""
    if isinstance(error, docker.errors.APIError):
        text = str(error.explanation or error)[:2000]
        match error.status_code:
            case 404:
                return EngineNotFound(text)
            case 409:
                return EngineConflict(text)
            case 502 | 503 | 504:
                return EngineUnreachable(text)
            case _:
                return EngineRefused(text)
    if isinstance(error, docker.errors.DockerException) and not isinstance(
        error.__cause__ or error.__context__, _AWAY
    ):
        return EngineRefused(str(error)[:2000])
    return EngineUnreachable(f"container engine does not answer: {str(error)[:500] or type(error).__name__}")


def _release(error: BaseException | None) -> None:
    """Let go of what a failed call's frames hold: the SDK leaves sockets that did not connect in them."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


class Client:
    """One lazily made `APIClient` with its threads."""

    def __init__(
        self,
        settings: DockerSettings,
        kind: str,
        threads: int,
        timeout: float,
        tally: CallTally | None = None,
    ) -> None:
        self._settings = settings
        self._tally = tally or CallTally()
        self._threads = threads
        self._timeout = timeout
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=f"engine-{kind}")
        self._lock = threading.Lock()
        self._client: APIClient | None = None
        self.in_flight = 0

    def connected(self) -> APIClient:
        """The client, made on first use: making it asks the engine for its version. Blocking."""
        with self._lock:
            if self._client is None:
                self._client = engine_client(
                    self._settings.base_url,
                    make=partial(CountedClient, tally=self._tally),
                    timeout=self._timeout,
                    num_pools=self._threads,
                    max_pool_size=self._threads,
                )
            return self._client

    async def call(self, work: Callable[[APIClient], T]) -> T:
        """Run `work` in a thread. Raises EngineUnreachable, EngineRefused.

        A cancelled caller leaves the thread's call running: nothing can stop it.
        """
        self.in_flight += 1
        future = asyncio.get_running_loop().run_in_executor(self._pool, lambda: work(self.connected()))
        future.add_done_callback(self._landed)
        try:
            return await asyncio.shield(future)
        except (docker.errors.DockerException, *_AWAY) as error:
            _release(error)
            raise translate(error) from error

    def _landed(self, future: asyncio.Future[T]) -> None:
        self.in_flight -= 1
        if not future.cancelled():
            future.exception()

    def close(self) -> None:
        """Let go of threads (they end with their calls) and connections."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        if self._client is not None:
            self._client.close()


class Engine:
    """The engine's calls by what they cost; remembers whether the last one was answered."""

    def __init__(self, settings: DockerSettings) -> None:
        self._settings = settings
        self.tally = CallTally()
        self._quick = self._client("quick", max(2, settings.threads // 2), settings.quick_timeout)
        self._work = self._client("work", settings.threads, settings.start_timeout)
        self._stream = self._client("stream", 1, settings.quick_timeout)
        self.reachable = False
        self.absences = 0
        """How often the engine stopped answering."""

    def _client(self, kind: str, threads: int, timeout: float) -> Client:
        return Client(self._settings, kind, threads, timeout, self.tally)

    @property
    def calls_in_flight(self) -> int:
        return self._quick.in_flight + self._work.in_flight

    async def quick(self, work: Callable[[APIClient], T]) -> T:
        """A short call that may be repeated (inspect, list, kill): tried three times when unanswered."""
        return await self._repeated(self._quick, work)

    async def once(self, work: Callable[[APIClient], T]) -> T:
        """A long call that must not be repeated blindly (create, start)."""
        return await self._noting(self._work, work)

    async def repeatable(self, work: Callable[[APIClient], T]) -> T:
        """A long call that may be repeated (remove): tried three times when unanswered."""
        return await self._repeated(self._work, work)

    async def _repeated(self, client: Client, work: Callable[[APIClient], T]) -> T:
        try:
            return await self._noting(client, work)
        except EngineUnreachable as failure:
            # Hardly any call is tried twice, and each run makes several: set up when it is needed.
            first: EngineUnreachable | None = failure
        async for attempt in self._attempts():
            with attempt:
                if first is not None:
                    known, first = first, None
                    raise known
                return await self._noting(client, work)
        raise AssertionError("unreachable")

    @staticmethod
    def _attempts() -> tenacity.AsyncRetrying:
        return tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception_type(EngineUnreachable),
            stop=tenacity.stop_after_attempt(3),
            wait=tenacity.wait_exponential(0.1, max=1),
            reraise=True,
        )

    async def _noting(self, client: Client, work: Callable[[APIClient], T]) -> T:
        try:
            result = await client.call(work)
        except EngineUnreachable as error:
            self._note(reachable=False, why=str(error))
            raise
        except EngineRefused:
            self._note(reachable=True)
            raise
        self._note(reachable=True)
        return result

    def _note(self, *, reachable: bool, why: str = "") -> None:
        if reachable != self.reachable:
            self.reachable = reachable
            if reachable:
                log.info("engine_reachable")
            else:
                self.absences += 1
                log.warning("engine_unreachable", error=why)

    async def accepts(self) -> bool:
        """Whether the engine takes a new connection: one that is stopping goes on with the old ones."""
        probe = self._client("probe", 1, PROBE_TIMEOUT)
        try:
            await self._noting(probe, lambda client: client.ping())
        except EngineUnreachable:
            return False
        finally:
            probe.close()
        return True

    async def in_stream_thread(self, work: Callable[[APIClient], T]) -> T:
        return await self._stream.call(work)

    def close(self) -> None:
        for client in (self._stream, self._work, self._quick):
            client.close()


def lines(chunks: Iterator[bytes], limit: int = 1024 * 1024) -> Iterator[bytes]:
    """Split a stream of chunks at line ends; a line over `limit` bytes is dropped whole."""
    rest, dropping = b"", False
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        for index, line in enumerate(whole):
            if not (dropping and index == 0) and line.strip():
                yield line
        dropping = dropping and not whole
        if len(rest) > limit:
            rest, dropping = b"", True

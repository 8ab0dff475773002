"""One manager and its warm instances for a whole session of tests, in a thread of its own.

Tests are plain functions; what they ask for runs on this session's event loop while they wait.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from orchestrator.node.errors import NodeError
from orchestrator.node.manager_client import ManagerClient
from orchestrator.runtime_name import RuntimeName
from orchestrator.testing.answering import Answering
from orchestrator.testing.mocked_modules import MockingRuntime
from orchestrator.workbench import workbench

# See `chain`.
__tracebackhide__ = True
T = TypeVar("T")


class Session:
    """Entered once, before the first contract is deployed. Raises what `workbench` does."""

    def __init__(
        self, runtime: RuntimeName, answering: Answering, longest_run: float, *, record: bool = False
    ) -> None:
        self.answering = answering
        self._record = record
        self._runtime = runtime
        self._longest_run = longest_run
        self._loop = asyncio.new_event_loop()
        self._ready: Future[ManagerClient] = Future()
        self._over = asyncio.Event()
        self._thread = threading.Thread(target=self._serve, name="genvm-session", daemon=True)

    def open(self) -> None:
        """Returns when contracts can be run."""
        self._thread.start()
        self.client = self._ready.result()

    def close(self) -> None:
        """End the instances and the manager."""
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """What `work` comes to; it is cancelled when the developer interrupts."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except NodeError as refused:
            # What was wrong with the request is in its text, and nothing in where that was noticed.
            raise refused.with_traceback(None) from None
        except BaseException:
            future.cancel()
            raise

    def _serve(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._live())

    async def _live(self) -> None:
        try:
            async with workbench(
                self._runtime,
                longest_run=self._longest_run,
                wrap=lambda inner: MockingRuntime(inner, self.answering, real=self._record),
            ) as client:
                # Real ones behind them are configured as the manager's are.
                empty: dict[str, Any] = {}
                llm = None if self._record else {"backends": empty}
                await client.start_module("Llm", llm, allow_empty_backends=not self._record)
                await client.start_module("Web", None if self._record else empty)
                self._ready.set_result(client)
                await self._over.wait()
        except BaseException as failure:
            if self._ready.done():
                raise
            self._ready.set_exception(failure)

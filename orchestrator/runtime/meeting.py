"""What every kind of instance does alike: hand out connections until it ends, and say how it ended."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

from genvm_wire.inlet import Inlet
from orchestrator.runtime.control import SocketControl
from orchestrator.runtime.port import EngineRefused, InstanceDied, InstanceExit
from orchestrator.runtime.rendezvous import Rendezvous
from orchestrator.runtime.watch_line import WatchLine


def describe(ended: InstanceExit) -> str:
    """An exit in words for a person."""
    if ended.oom_killed:
        how = "it was killed at its memory limit"
    elif ended.signal is not None:
        how = f"signal {ended.signal} ended it"
    elif ended.exit_code is not None:
        how = f"it exited with code {ended.exit_code}"
    else:
        how = "it ended, and it is not known how"
    return f"{how}: {ended.detail}" if ended.detail else how


class Meeting:
    """An instance's connections and its end, one against the other.

    `listen` makes the socket at which an inlet lets its program in; it blocks, and raises EngineRefused.
    """

    def __init__(
        self,
        name: str,
        rendezvous: Rendezvous,
        listen: Callable[[], socket.socket],
        watch_line: WatchLine | None = None,
    ) -> None:
        self._name = name
        self._listen = listen
        self._inlet: Inlet | None = None
        self._watch_line = watch_line
        self._rendezvous = rendezvous
        self._exit: asyncio.Future[InstanceExit] = asyncio.get_running_loop().create_future()

    @property
    def ended(self) -> bool:
        return self._exit.done()

    def end(self, ended: InstanceExit) -> None:
        """Note how it ended; the first word counts."""
        if not self._exit.done():
            # What the instance sent before it ended may still wait in the backlog.
            self._rendezvous.accept_pending()
            self._exit.set_result(ended)

    async def connect(self) -> SocketControl:
        """The next connection that the instance makes; one made before its end is handed out after it, too.

        Raises InstanceDied when it ends first, ChannelClosed when it was destroyed.
        """
        while (control := self._rendezvous.take()) is None:
            if self._exit.done():
                ended = self._exit.result()
                raise InstanceDied(
                    f"instance {self._name} ended before it connected: {describe(ended)}", ended
                )
            arrival = asyncio.ensure_future(self._rendezvous.arrival())
            racers: list[asyncio.Future[Any]] = [arrival, self._exit]
            try:
                # Nothing is taken while this waits, so a cancelled connect loses no connection.
                await asyncio.wait(racers, return_when=asyncio.FIRST_COMPLETED)
            finally:
                arrival.cancel()
        return control

    async def inlet(self) -> socket.socket:
        """The line of a new inlet, the caller's. Raises EngineRefused."""
        listening = asyncio.ensure_future(asyncio.to_thread(self._listen))
        try:
            listener = await asyncio.shield(listening)
        except asyncio.CancelledError:
            listening.add_done_callback(_closed)
            raise
        try:
            self._inlet = Inlet(listener)
        except OSError as error:
            listener.close()
            raise EngineRefused(f"no way in for the program of {self._name}: {error}") from error
        return self._inlet.line

    async def wait_exit(self) -> InstanceExit:
        return await asyncio.shield(self._exit)

    def end_within(self, seconds: float | None) -> None:
        """See `Instance.end_within`."""
        if self._watch_line is not None:
            self._watch_line.tell(seconds)

    def close(self) -> None:
        """End all connections and listen no more; idempotent."""
        self._rendezvous.close()
        if self._inlet is not None:
            self._inlet.close()
        if self._watch_line is not None:
            self._watch_line.close()


def _closed(listening: asyncio.Future[socket.socket]) -> None:
    """What nobody waits for any more."""
    if not listening.cancelled() and listening.exception() is None:
        listening.result().close()

"""A ready instance on the shelf, where its end is noticed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from genvm_wire.instance_messages import Exit, from_instance
from orchestrator.runtime.port import Instance, ProtocolBroken, RuntimeFailure


class WarmInstance:
    """On the shelf. `ended` is called, once, when it says or does anything but wait.

    `born` and `wanted_until` (it is not one too many before) are times of the pool's clock.
    """

    def __init__(
        self,
        inner: Instance,
        ended: Callable[[WarmInstance], None],
        *,
        born: float,
        wanted_until: float = 0.0,
    ) -> None:
        self.inner = inner
        self.born = born
        self.wanted_until = wanted_until
        self._ended = ended
        name = inner.spec.name
        self._watchers = [
            asyncio.create_task(self._listen(), name=f"pool:{name}:listen"),
            asyncio.create_task(self._await_exit(), name=f"pool:{name}:exit"),
        ]
        for watcher in self._watchers:
            watcher.add_done_callback(self._watcher_done)

    async def _listen(self) -> None:
        """Nothing may come before the job: whatever ends this wait is the end of the instance."""
        await self.inner.control.receive(from_instance)
        raise ProtocolBroken("it spoke before it had a job")

    async def _await_exit(self) -> None:
        await self.inner.wait_exit()

    def _watcher_done(self, watcher: asyncio.Task[None]) -> None:
        if not watcher.cancelled():
            watcher.exception()
            self.unwatch()
            self._ended(self)

    def usable(self) -> bool:
        """Whether it still waits for a job: asks the event loop and the kernel, and waits for neither."""
        return not any(watcher.done() for watcher in self._watchers) and self.inner.control.quiet()

    def unwatch(self) -> None:
        """Watch it no more; no word from it is lost."""
        for watcher in self._watchers:
            watcher.remove_done_callback(self._watcher_done)
            watcher.cancel()

    def claim(self) -> Instance:
        """The instance itself, whose only owner is the caller from here on."""
        self.unwatch()
        return self.inner

    def leave_alone(self) -> None:
        """Let go of it without ending it; after `unwatch`. It looks for another manager."""
        self.inner.hang_up()

    async def leave(self, patience: float) -> None:
        """Tell it to exit, wait `patience` seconds at most, and destroy it; after `unwatch`.

        Raises RuntimeFailure.
        """
        await asyncio.wait(self._watchers)
        try:
            async with asyncio.timeout(patience):
                await self.inner.control.send(Exit())
                await self.inner.wait_exit()
        except (RuntimeFailure, TimeoutError):
            pass  # it has ended already, or it is destroyed now
        finally:
            self.inner.hang_up()
            await self.inner.destroy()

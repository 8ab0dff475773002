"""A ready instance: on the shelf, where its end is noticed, and in the hands of the run that claimed it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from genvm_wire.calldata import Value
from orchestrator.runtime.port import (
    Control,
    Instance,
    InstanceExit,
    InstanceSpec,
    ProtocolBroken,
    RuntimeFailure,
)


class WarmControl:
    """The connection that said `ready` already: it says so once more to whoever claimed it."""

    def __init__(self, inner: Control, said: dict[str, Value]) -> None:
        self._inner = inner
        self._said: dict[str, Value] | None = said

    async def send(self, message: Mapping[str, Value], fds: Sequence[int] = ()) -> None:
        await self._inner.send(message, fds)

    async def receive(self) -> dict[str, Value]:
        if self._said is not None:
            said, self._said = self._said, None
            return said
        return await self._inner.receive()

    def quiet(self) -> bool:
        return self._said is None and self._inner.quiet()

    def close(self) -> None:
        self._inner.close()

    @property
    def bare(self) -> Control:
        return self._inner


class ClaimedInstance:
    """A pooled instance as the run's own: its first connection is made, the rest is the inner one's."""

    def __init__(self, inner: Instance, control: WarmControl, asked: InstanceSpec, born: float) -> None:
        self._inner = inner
        self._control: WarmControl | None = control
        self.born = born
        self._spec = replace(
            inner.spec, version=asked.version, execution_id=asked.execution_id, deadline=asked.deadline
        )

    @property
    def spec(self) -> InstanceSpec:
        """The run's, under the instance's own name."""
        return self._spec

    @property
    def bare(self) -> Instance:
        return self._inner

    @property
    def engine_id(self) -> str:
        return self._inner.engine_id

    async def connect(self) -> Control:
        if self._control is not None:
            control, self._control = self._control, None
            return control
        return await self._inner.connect()

    def end_within(self, seconds: float | None) -> None:
        self._inner.end_within(seconds)

    async def wait_exit(self) -> InstanceExit:
        return await self._inner.wait_exit()

    async def kill(self) -> None:
        await self._inner.kill()

    async def destroy(self) -> None:
        await self._inner.destroy()


class WarmInstance:
    """On the shelf. `ended` is called, once, when it says or does anything but wait.

    `born` and `wanted_until` (it is not one too many before) are times of the pool's clock.
    """

    def __init__(
        self,
        inner: Instance,
        control: Control,
        said: dict[str, Value],
        ended: Callable[[WarmInstance], None],
        *,
        born: float,
        wanted_until: float = 0.0,
    ) -> None:
        self.inner = inner
        self.control = control
        self.born = born
        self.wanted_until = wanted_until
        self._said = said
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
        await self.control.receive()
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
        return not any(watcher.done() for watcher in self._watchers) and self.control.quiet()

    def unwatch(self) -> None:
        """Watch it no more; no word from it is lost."""
        for watcher in self._watchers:
            watcher.remove_done_callback(self._watcher_done)
            watcher.cancel()

    def claim(self, asked: InstanceSpec) -> ClaimedInstance:
        self.unwatch()
        return ClaimedInstance(self.inner, WarmControl(self.control, self._said), asked, self.born)

    def leave_alone(self) -> None:
        """Let go of it without ending it; after `unwatch`. It looks for another manager."""
        self.control.close()

    async def leave(self, patience: float) -> None:
        """Tell it to exit, wait `patience` seconds at most, and destroy it; after `unwatch`.

        Raises RuntimeFailure.
        """
        await asyncio.wait(self._watchers)
        try:
            async with asyncio.timeout(patience):
                await self.control.send({"kind": "exit"})
                await self.inner.wait_exit()
        except (RuntimeFailure, TimeoutError):
            pass  # it has ended already, or it is destroyed now
        finally:
            self.control.close()
            await self.inner.destroy()

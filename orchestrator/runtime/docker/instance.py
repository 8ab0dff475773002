"""One container as an `Instance`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from orchestrator.runtime.conversation import Conversation
from orchestrator.runtime.docker.engine import Engine, EngineConflict, EngineNotFound
from orchestrator.runtime.meeting import Meeting
from orchestrator.runtime.port import InstanceExit, InstanceSpec


class DockerInstance(Conversation):
    """Made by `DockerRuntime`; `DockerRuntime` also removes it, through `remove`."""

    def __init__(
        self,
        spec: InstanceSpec,
        container_id: str,
        meeting: Meeting,
        engine: Engine,
        *,
        recheck: Callable[[DockerInstance], None],
        remove: Callable[[DockerInstance], Awaitable[None]],
    ) -> None:
        super().__init__(meeting.connect, spec.role, meeting.inlet)
        self._spec = spec
        self._container_id = container_id
        self._engine = engine
        self._recheck = recheck
        self._remove = remove
        self.meeting = meeting
        self.oom_seen = False
        self.kill_ordered = False
        self.absences = engine.absences

    @property
    def spec(self) -> InstanceSpec:
        return self._spec

    @property
    def engine_id(self) -> str:
        return self._container_id

    def end_within(self, seconds: float | None) -> None:
        self.meeting.end_within(seconds)

    async def wait_exit(self) -> InstanceExit:
        return await self.meeting.wait_exit()

    async def kill(self) -> None:
        """SIGKILL to the container's init, which takes everything in the container with it.

        Raises EngineUnreachable, EngineRefused.
        """
        if self.meeting.ended:
            return
        self.kill_ordered = True
        try:
            await self._engine.quick(lambda client: client.kill(self._container_id, "SIGKILL"))
        except (EngineConflict, EngineNotFound):
            pass  # it does not run any more
        finally:
            self._recheck(self)

    async def destroy(self) -> None:
        """Raises EngineUnreachable or EngineRefused when it could not be removed now; it will be later."""
        self.meeting.close()
        await self._remove(self)

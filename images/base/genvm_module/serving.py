"""The configuration at work and its predecessors, each kept until the last session that uses it has ended."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import structlog

from genvm_module.contract import Caller, Conversation, Health, Module, Service, Terms
from genvm_module.errors import ModuleError, error_answer, fatal_answer
from genvm_module.hello import HelloUnusable, require_identity
from genvm_wire.calldata import Encodable

USER_ERROR_ANSWER: dict[str, Encodable] = {"UserError": {"causes": ["MODULE_USER_ERROR"], "ctx": {}}}

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Served:
    """One configuration and how many sessions use it."""

    service: Service
    generation: int
    user_error: bool
    sessions: int = 0
    retired: bool = False

    def meet(self, caller: Caller, terms: Terms) -> Conversation | Mapping[str, Encodable]:
        """Whom the session's requests go to, or what they all get."""
        try:
            require_identity(caller.host_data)
            return self.service.open(caller, terms)
        except HelloUnusable as error:
            log.warning("session_without_identity", reason=str(error))
            return fatal_answer(["HOST_DATA_UNUSABLE", str(error)])
        except ModuleError as error:
            return error_answer(error)


class Serving:
    """Configures the module; new sessions get the newest configuration."""

    def __init__(self, module: Module) -> None:
        self._module = module
        self.current: Served | None = None

    @property
    def generation(self) -> int:
        return self.current.generation if self.current else 0

    async def configure(
        self, config: Mapping[str, object], *, generation: int, user_error: bool, allow_empty_backends: bool
    ) -> Served:
        """Raises ConfigurationRefused; the configuration before it then stays at work."""
        service = await self._module.configure(
            config, allow_empty_backends=allow_empty_backends or user_error
        )
        before, self.current = self.current, Served(service, generation, user_error)
        log.info("configured", generation=generation, notes=list(service.notes))
        if before is not None:
            before.retired = True
            await self._close_if_unused(before)
        return self.current

    def take(self) -> Served | None:
        """The configuration for a new session; give it back with `releasing`."""
        if self.current is not None:
            self.current.sessions += 1
        return self.current

    def releasing(self, served: Served | None) -> Callable[[object], Awaitable[None]]:
        """Gives back what `take` gave, once, when a session has ended."""

        async def release(_: object) -> None:
            if served is not None:
                served.sessions -= 1
                await self._close_if_unused(served)

        return release

    async def _close_if_unused(self, served: Served) -> None:
        if served.retired and served.sessions == 0:
            await served.service.close()

    def health(self) -> Health:
        if self.current is None:
            return Health(False, "not configured")
        return self.current.service.health()

    async def aclose(self) -> None:
        if self.current is not None:
            current, self.current = self.current, None
            current.retired = True
            await self._close_if_unused(current)

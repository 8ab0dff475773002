"""What the composition root, `gc` and `doctor` ask of a runtime, whichever it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from orchestrator.kits.finding import Finding
from orchestrator.modules.egress import PacketFilters
from orchestrator.runtime.port import Runtime
from orchestrator.settings import Settings


@dataclass(frozen=True, slots=True)
class Found:
    """Something that carries a manager's name: a container, a directory, or both."""

    name: str
    container_id: str | None
    execution: int | None
    directory: bool


class Kit(Protocol):
    """One per runtime; it keeps nothing."""

    @property
    def whole_socket_paths(self) -> bool:
        """Whether its programs open their control sockets by the whole path, which has to be a short one."""

    @property
    def meets_in_state_dir(self) -> bool:
        """Whether instances meet their manager in its state directory, on the engine's machine."""

    async def engine_of(self, settings: Settings) -> str:
        """What tells this engine from others, whoever asks. Raises EngineUnreachable, EngineRefused."""

    async def open(self, settings: Settings, manager_id: str) -> Runtime:
        """A runtime that can start what the settings name. Raises EngineUnreachable, EngineRefused."""

    def open_to_sweep(self, settings: Settings, manager_id: str) -> Runtime:
        """A runtime that only looks and removes. Called inside a running event loop."""

    def packet_filters(self, runtime: Runtime) -> PacketFilters | None:
        """What changes the packet filters below this runtime's modules, where it puts some there."""

    def survey(self, settings: Settings, manager_id: str) -> Sequence[Found]:
        """What there is of a manager's, whatever its age or state. Blocking.

        Raises EngineUnreachable, EngineRefused.
        """

    def check(self, settings: Settings) -> Sequence[Finding]:
        """Whether this machine can run contracts with it; never raises for what it finds. Blocking."""

"""The two modules, and what the manager's settings say of each."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from orchestrator.runtime.port import Role


class ModuleKind(StrEnum):
    LLM = "llm"
    WEB = "web"

    @property
    def role(self) -> Role:
        return Role(self.value)


@dataclass(frozen=True, slots=True)
class ModuleSettings:
    """Of one module. Sizes in bytes. `default_config`: a YAML file; null: the one that is built in."""

    image: str
    memory_bytes: int
    cpus: float
    pids: int
    tmp_bytes: int | None = None
    shm_bytes: int | None = None
    default_config: Path | None = None
    own_addresses: tuple[str, ...] = ()
    """Of the machine, besides those that its interfaces have; for web."""


@dataclass(frozen=True, slots=True)
class ModuleTimes:
    """In seconds."""

    ready: float = 60.0
    """From the container's start to its `ready`."""
    configure: float = 60.0
    """The web module starts its browser in it."""
    reconnect: float = 10.0
    """For an adopted module to connect again: it tries every 200 ms."""
    ping_interval: float = 5.0
    missed_pings: int = 4
    """So many in a row without an answer, and the module is killed and started again."""
    close: float = 5.0
    """For a session's last word; a run's end waits for it."""
    exit: float = 2.0
    """From `exit`, or from the last session of a draining module, to SIGKILL."""
    backoff_first: float = 0.5
    backoff_longest: float = 30.0
    stable: float = 60.0
    """A module that ran so long has proved itself: its next restart comes at once again."""
    patience: float = 0.7
    """How long a run waits for a module that is between stop and start (manager-api W6)."""
    start_patience: float = 10.0
    """How long an accepted run waits for a module whose start is under way."""

"""What a module supplies, and what it is told (modules 1.6; docs/module-protocol.md)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from genvm_wire.calldata import Encodable, Value

Transport = Literal["W", "S"]


class ConfigurationRefused(Exception):
    """The configuration is no good; the text is for operators and holds no secret."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose session it is. `host_data` holds secrets: `repr` leaves it out, and nothing may log it."""

    run: int | None
    role: str | None
    host_data: Mapping[str, Value] = field(repr=False)
    gas_data: Mapping[str, str] = field(default_factory=dict)
    initial_time_units_allocation: int = 0
    cookie: str | None = None


@dataclass(frozen=True, slots=True)
class Terms:
    """How a session is served. `deadline` is in seconds of the event loop's clock; None: no end."""

    transport: Transport
    deadline: float | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """`counters` maps names to integers, or to further such maps."""

    healthy: bool
    detail: str = ""
    counters: Mapping[str, Encodable] = field(default_factory=dict)


class Conversation(Protocol):
    """One session of a module. Calls of `answer` never overlap."""

    async def answer(self, request: Value) -> Encodable:
        """What goes under `Ok`.

        Raises ModuleError; anything else raised is answered as fatal. Cancelled when the caller goes away.
        """

    def statistics(self) -> dict[str, Encodable]:
        """The map of modules 1.11."""

    async def close(self) -> None: ...


class Service(Protocol):
    """A configuration at work."""

    @property
    def notes(self) -> Sequence[str]:
        """What was dropped from the configuration and why, without secrets."""

    def open(self, caller: Caller, terms: Terms) -> Conversation:
        """Raises ModuleError: the session then answers every request with it."""

    def health(self) -> Health: ...

    async def close(self) -> None:
        """Called once, when the last session of this configuration has ended."""


class Module(Protocol):
    """The program's kind: `name` is `llm` or `web`."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    async def configure(self, config: Mapping[str, object], *, allow_empty_backends: bool) -> Service:
        """Raises ConfigurationRefused; nothing may have changed then."""

"""The module protocol as values: what manager and module say to each other (docs/module-protocol.md).

A kind is added here, as a class and in its union; whoever has to handle it is then told by the type checker.
What an executor and a module say to each other is in `module_requests`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, TypeAlias, get_args

from genvm_wire.calldata import Value
from genvm_wire.frames import PROTOCOL_VERSION
from genvm_wire.instance_messages import Exit, Log
from genvm_wire.messages import Fields, Message, OpenMap, read_one_of


class ModuleReady(Message):
    """Waits for its configuration. `module` is `llm` or `web`."""

    kind: ClassVar = "ready"
    module: str
    version: str
    protocol: int = PROTOCOL_VERSION

    @classmethod
    def of(cls, fields: Fields) -> ModuleReady:
        return cls(
            fields.optional("module", str) or "",
            fields.optional("version", str) or "",
            fields.optional("protocol", int) or PROTOCOL_VERSION,
        )


class ModuleResume(Message):
    """Connected again; has its configuration, and these runs' sessions."""

    kind: ClassVar = "resume"
    module: str
    version: str
    generation: int
    sessions: Sequence[int]
    protocol: int = PROTOCOL_VERSION

    @classmethod
    def of(cls, fields: Fields) -> ModuleResume:
        return cls(
            fields.optional("module", str) or "",
            fields.optional("version", str) or "",
            fields.need("generation", int),
            fields.items("sessions", int),
            fields.optional("protocol", int) or PROTOCOL_VERSION,
        )


class Configured(Message):
    """Serves from now on. `notes`: what was left out of its configuration and why, without secrets."""

    kind: ClassVar = "configured"
    generation: int
    notes: Sequence[str]

    @classmethod
    def of(cls, fields: Fields) -> Configured:
        return cls(fields.need("generation", int), fields.items("notes", str))


class ConfigurationFailed(Message):
    """The configuration is no good, and nothing has changed; the text is without secrets."""

    kind: ClassVar = "failed"
    message: str

    @classmethod
    def of(cls, fields: Fields) -> ConfigurationFailed:
        return cls(fields.need("message", str))


class SessionEnded(Message):
    """The run has no session any more. `stats` as in modules 1.11, of so many requests."""

    kind: ClassVar = "session_ended"
    run: int
    stats: OpenMap
    requests: int

    @classmethod
    def of(cls, fields: Fields) -> SessionEnded:
        return cls(fields.need("run", int), fields.need("stats", dict), fields.natural("requests"))


class Pong(Message):
    """How it is: the answer to the `ping` of this number."""

    kind: ClassVar = "pong"
    sequence: int
    sessions: int
    healthy: bool
    detail: str
    counters: OpenMap

    @classmethod
    def of(cls, fields: Fields) -> Pong:
        return cls(
            fields.need("sequence", int),
            fields.natural("sessions"),
            fields.need("healthy", bool),
            fields.need("detail", str),
            fields.need("counters", dict),
        )


class Configure(Message):
    """The expanded configuration, with its secrets; answered by `configured` or `failed`."""

    kind: ClassVar = "configure"
    generation: int
    config: OpenMap
    user_error: bool = False
    allow_empty_backends: bool = False

    @classmethod
    def of(cls, fields: Fields) -> Configure:
        return cls(
            fields.need("generation", int),
            fields.need("config", dict),
            fields.raw.get("user_error") is True,
            fields.raw.get("allow_empty_backends") is True,
        )

    def __repr__(self) -> str:
        return f"Configure(generation={self.generation})"


class OpenSession(Message):
    """Serve the stream that is attached, for this run; it is over after `deadline_ms`.

    `host_data` is JSON text, as the node gave it.
    """

    kind: ClassVar = "session"
    run: int
    role: str
    host_data: str
    gas_data: OpenMap
    initial_time_units_allocation: int
    deadline_ms: int

    @classmethod
    def of(cls, fields: Fields) -> OpenSession:
        # What a node calls so: a manager may pass it on as it came, and no other run is to suffer for it.
        allocation = fields.raw.get("initial_time_units_allocation")
        return cls(
            fields.need("run", int),
            fields.need("role", str),
            fields.need("host_data", str),
            fields.need("gas_data", dict),
            allocation if type(allocation) is int else 0,
            fields.need("deadline_ms", int),
        )


class CloseSession(Message):
    """Drop the run's session; answered by `session_ended`."""

    kind: ClassVar = "close"
    run: int

    @classmethod
    def of(cls, fields: Fields) -> CloseSession:
        return cls(fields.need("run", int))


class Ping(Message):
    """Answered by `pong` with the same number."""

    kind: ClassVar = "ping"
    sequence: int

    @classmethod
    def of(cls, fields: Fields) -> Ping:
        return cls(fields.need("sequence", int))


class Drain(Message):
    """No new session comes; leave when the last one has ended."""

    kind: ClassVar = "drain"

    @classmethod
    def of(cls, _: Fields) -> Drain:
        return cls()


FromModule: TypeAlias = (
    ModuleReady | ModuleResume | Configured | ConfigurationFailed | SessionEnded | Pong | Log
)
ToModule: TypeAlias = Configure | OpenSession | CloseSession | Ping | Drain | Exit

_FROM_MODULE: Mapping[str, type[FromModule]] = {one.kind: one for one in get_args(FromModule)}
_TO_MODULE: Mapping[str, type[ToModule]] = {one.kind: one for one in get_args(ToModule)}


def from_module(raw: Mapping[str, Value]) -> FromModule:
    """What a module said, out of its frame. Raises MessageInvalid."""
    return read_one_of(_FROM_MODULE, raw)


def to_module(raw: Mapping[str, Value]) -> ToModule:
    """What a manager told a module, out of its frame. Raises MessageInvalid."""
    return read_one_of(_TO_MODULE, raw)

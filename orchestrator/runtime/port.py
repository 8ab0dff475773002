"""What the executions need from a container engine, and nothing more.

One implementation per engine (`docker`, `kubernetes`, `process`); the warm pool is one more, on top of any
of them.
Everything here is free of engine types.
"""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol, TypeAlias

from genvm_wire.instance_messages import JobMessage, Ready, Resume
from genvm_wire.messages import Message
from genvm_wire.module_messages import ModuleReady, ModuleResume, OpenSession
from orchestrator.runtime.call_tally import CallTally
from orchestrator.runtime.frame_stream import AnyMessage, Reading


class RuntimeFailure(Exception):
    """Root of what a runtime raises.

    RuntimeFailure
    ├── EngineUnreachable    the engine does not answer: nothing is known about the instance
    ├── EngineRefused        the engine answered and said no (image missing, bad option, disk full …)
    ├── NoDescriptors        this process may open no more files: later it may
    ├── InstanceDied         the instance ended before it said anything, or said nothing in time
    ├── ChannelClosed        the control channel ended (the instance may still run)
    └── ProtocolBroken       the instance sent what the instance protocol forbids
    """


class EngineUnreachable(RuntimeFailure):
    """The engine does not answer."""


class EngineRefused(RuntimeFailure):
    """The engine refused the request; the text says why."""


class NoDescriptors(RuntimeFailure):
    """This process has as many descriptors as it may: nothing has been begun, and it can be tried again."""


class ChannelClosed(RuntimeFailure):
    """The control channel ended."""


class ProtocolBroken(RuntimeFailure):
    """The instance broke the instance protocol; the text says how."""


class Role(StrEnum):
    EXECUTOR = "executor"
    LLM = "llm"
    WEB = "web"


class EgressFilter(StrEnum):
    """Whether a packet filter stands below modules that ask for one (docs/web.md)."""

    AUTO = "auto"
    """Where the engine allows one; elsewhere they go without, and the log says so."""
    ON = "on"
    """No such module starts without."""
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Egress:
    """Where a module's packets may go besides the public internet's web ports and its name servers.

    `hosts`: names or addresses, at every TCP port; `doors`: one port of one; `refused`: addresses and
    networks that are the machine's own; `signers`: doors that runs have named, which are opened only where
    no keys of a cloud or a machine are. Names are looked up where the module would, when it starts.
    """

    hosts: tuple[str, ...] = ()
    doors: tuple[tuple[str, int], ...] = ()
    refused: tuple[str, ...] = ()
    signers: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class InstanceSpec:
    """What to start. `name` is unique per manager and becomes part of the container's name.

    `tmp_bytes` and `shm_bytes`: of /tmp and of shared memory, where the runtime's own figures do not do.
    """

    name: str
    role: Role
    image: str
    version: str
    execution_id: int | None
    deadline: datetime | None
    memory_bytes: int
    cpus: float
    pids: int
    reuse: int = 1
    """Runs it serves, one after another, each in a process of its own."""
    ready_within: float = 60.0
    """Seconds from its start to its `ready`."""
    tmp_bytes: int | None = None
    shm_bytes: int | None = None
    egress: Egress | None = None
    """What a packet filter below it lets out, on runtimes that have one; null: it has none."""
    awaited: bool = False
    """A run that has room already waits for it: where others wait for some, it comes before them."""


class Loss(StrEnum):
    """An instance was taken away by its engine or through it, not ended by its own doing."""

    CONTAINER_LOST = "container_lost"
    ENGINE_RESTART = "engine_restart"


@dataclass(frozen=True, slots=True)
class InstanceExit:
    """How an instance ended. `exit_code` is null when a signal ended it or nobody knows."""

    exit_code: int | None
    signal: int | None
    oom_killed: bool
    detail: str = ""
    loss: Loss | None = None


class InstanceDied(RuntimeFailure):
    """The text has its exit, where it ended, and the tail of its own output; `exit` is null if it runs on,
    or nobody knows."""

    def __init__(self, message: str, exit_: InstanceExit | None = None) -> None:
        super().__init__(message)
        self.exit = exit_


@dataclass(frozen=True, slots=True)
class RuntimeStatistics:
    """What a runtime has at this moment. `instances` are those alive, as far as is known.

    `absences`: how often the engine stopped answering; `calls`: what was asked of it, null where
    there is no engine to ask.
    """

    instances: int
    engine_reachable: bool
    event_stream_connected: bool
    calls_in_flight: int
    removals_pending: int
    no_room: str | None = None
    """Why a start waits for room, in the engine's words; null: none does."""
    without_room: frozenset[str] = frozenset()
    """Names of the instances whose starts wait for room that the end of others would make."""
    absences: int = 0
    calls: CallTally | None = None


class Control(Protocol):
    """One connection of the instance protocol (docs/instance-protocol.md)."""

    async def send(self, message: Message, fds: Sequence[int] = ()) -> None:
        """Send one frame; `fds` stay open in the caller. Raises ChannelClosed."""

    async def receive(self, read: Reading[AnyMessage]) -> AnyMessage:
        """The next message, as `read` (`from_instance`, `from_module`) understands it.

        Raises ChannelClosed at the channel's end, ProtocolBroken on anything forbidden.
        """

    def quiet(self) -> bool:
        """Whether the peer is there and nothing of it waits to be received; never waits."""

    def close(self) -> None:
        """Close at once; idempotent."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where somebody else may dial in a line's stead: the first of `addresses` that accepts, and no other.

    Addresses are in digits, with their ports. `hello` is said on the connection; `seconds` are for all of it.
    """

    addresses: tuple[tuple[str, int], ...]
    hello: bytes
    seconds: float


class Line(Protocol):
    """A run's way to somebody: to its node, to a module. It is used once, by whichever side the runtime has
    dial."""

    async def connect(self) -> socket.socket:
        """The connection, in blocking mode, the caller's from here on. Raises what its maker says."""

    async def places(self) -> Places | None:
        """Where the instance's side may dial itself, instead of `connect`; null: nowhere. Raises like it."""

    def close(self) -> None:
        """Nobody will use it any more; idempotent."""


Greeting: TypeAlias = Ready | Resume | ModuleReady | ModuleResume
"""What an instance says first on a connection."""

MakeJob = Callable[[], Awaitable[JobMessage]]
"""Makes the `job` at the moment at which it is sent: what it says of the time left counts from then."""


class Way(StrEnum):
    """How a run's node is reached: by the instance's own side, or through its manager, with which it ends."""

    DIRECT = "direct"
    RELAY = "relay"


class Instance(Protocol):
    """One started container (or process), and the conversation with the program in it."""

    @property
    def spec(self) -> InstanceSpec:
        """What it was started with; one from the pool was not started for a run."""

    @property
    def engine_id(self) -> str:
        """The engine's own id: container id, or process id as text."""

    @property
    def way(self) -> Way | None:
        """How the run that it has reaches its node, where a runtime has more than one way."""

    @property
    def control(self) -> Control:
        """The newest connection that it made. Raises ChannelClosed when there was none."""

    @property
    def greeting(self) -> Greeting:
        """What it said last about itself. Raises ChannelClosed when it has said nothing yet."""

    async def greet(self, seconds: float | None) -> Greeting:
        """Wait for the next connection that it makes, and for its `ready` or `resume` on that.

        For instances that were adopted or whose channel broke: `Runtime.start` has done it. `seconds`: None
        waits for as long as it lives. Raises InstanceDied, ProtocolBroken; ChannelClosed when the connection
        ended before a word, and there may be another one.
        """

    async def give(self, job: MakeJob, host: Line, modules: Mapping[str, Line]) -> None:
        """Hand a run over: its job, and with it the ways to its node and to `modules`, in this order.

        Whether this side dials the node and passes on the connection, or has the instance's side dial, is the
        runtime's. Raises ChannelClosed, and what the lines and `job` raise; the lines stay the caller's.
        """

    async def open(self, session: OpenSession) -> Line:
        """A way into a module for a run, announced to the module by `session`. Raises ChannelClosed."""

    async def acknowledge(self, run: int, seconds: float) -> bool:
        """Tell it that the run's outcome is safe; whether it says in time that it waits for another job.

        Only the word of the process that outlives runs counts, which proves itself. Raises ProtocolBroken
        when the run says so in its place, and nothing else.
        """

    def hang_up(self) -> None:
        """Let its connection go, if there is one: it looks for a manager again. Idempotent."""

    def end_within(self, seconds: float | None) -> None:
        """Have it end after so many seconds, whatever it does, and even when this manager is dead by then.

        None: it may wait for as long as there is a manager. Never waits; it counts from when its watchdog
        hears of it, within a second. A process without a watchdog goes by the deadline in its job alone.
        """

    async def wait_exit(self) -> InstanceExit:
        """Return when the instance has ended. May be awaited by many, cancelled freely."""

    async def kill(self) -> None:
        """SIGKILL; returns when the engine took the order. No error if it has ended already."""

    async def destroy(self) -> None:
        """End it if it runs, remove container, directory and socket. Idempotent; shielded by its caller."""


class Runtime(Protocol):
    async def start(self, spec: InstanceSpec) -> Instance:
        """An instance that is ready: it waits for its job, or its configuration.

        On any failure or cancellation nothing of it is left, or will be soon where the engine is away.
        Raises EngineUnreachable, EngineRefused, InstanceDied, ProtocolBroken.
        """

    async def adopt(self, spec: InstanceSpec) -> Instance | None:
        """Take over the instance that an earlier manager with the same id started as `spec.name`.

        Its program connects again by itself: `greet` it. None when there is no such instance any more; one
        that has ended is adopted too, for its exit. Raises EngineUnreachable, EngineRefused.
        """

    async def discard(self, name: str) -> None:
        """Remove what an earlier manager with the same id left as `name`: instance, directory, socket.

        Nothing there is no error. Raises EngineUnreachable; EngineRefused also for an instance of this
        manager's own.
        """

    async def sweep(self, keep: frozenset[str]) -> list[str]:
        """Remove what carries this manager's id and is not named in `keep`; the removed names."""

    async def idle(self) -> Mapping[str, str]:
        """Names and images of running executors that an earlier manager with the same id kept ready.

        An image is left out when its name means another one by now. Raises EngineUnreachable, EngineRefused.
        """

    async def image_id(self, image: str) -> str:
        """What an image's name means now, "" when nothing. Raises EngineUnreachable, EngineRefused."""

    async def ping(self) -> None:
        """Ask the engine whether it is there. Raises EngineUnreachable."""

    def reachable(self) -> bool:
        """Whether the engine answered the last call; asks nothing."""

    def statistics(self) -> RuntimeStatistics: ...

    async def aclose(self) -> None:
        """Release the runtime's own resources; instances are not touched."""

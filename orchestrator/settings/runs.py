"""What runs may take and ask for, how long they live, and what is kept of them."""

from __future__ import annotations

from ipaddress import ip_network

from orchestrator.executions.request import DebugLevel
from orchestrator.settings.about import MIB, Group, Unit, setting
from orchestrator.settings.values import (
    PRIVATE_NETWORKS,
    LogFormat,
    LogLevel,
    Networks,
    NodeDirectories,
    ShutdownPolicy,
    default_node_sockets,
)


class Queueing(Group):
    """Whose turn it is: one pool of permits for all clients (api.md)"""

    permits: int | None = setting(
        None,
        "how many all runs together may hold. Unset: permits_per_gib for each free GiB",
        why="instances that all use what they may still fit into the memory",
        unit=Unit.PERMITS,
        ge=1,
    )
    permits_per_gib: float = setting(
        1.0,
        "permits for each GiB of free memory and swap, where permits is unset",
        why="a permit stands for 1 GiB, which is what an instance gets at most",
        unit=Unit.PERMITS_PER_GIB,
        gt=0,
    )
    permits_per_sync: int | None = setting(
        None,
        "cost of a run that uses no modules; set both costs or neither. Unset: what the client's own manager"
        " takes (1, the newest 4)",
        why="numbers that a node sets mean what they meant",
        unit=Unit.PERMITS,
        ge=1,
    )
    permits_per_nondet: int | None = setting(
        None,
        "cost of a run that may use modules. Unset: what the client's own manager takes (2, the newest 8)",
        why="numbers that a node sets mean what they meant",
        unit=Unit.PERMITS,
        ge=1,
    )
    queue_limit: int = setting(
        1000,
        "how many may wait for permits; more are refused",
        why="far more than a node sends before it gives up",
        unit=Unit.RUNS,
        ge=0,
    )
    queue_bytes: int = setting(
        1024 * MIB,
        "size of all requests that wait for permits; more are refused",
        why="a thousand runs of 1 MiB each",
        unit=Unit.BYTES,
        ge=MIB,
    )
    accept_early: bool = setting(
        True,
        "answer a run when it is queued; false: when it has started, which is the reference's way",
        why="clients give up on a request after ten seconds, and would start the run twice",
        unit=Unit.SWITCH,
    )
    start_wait: float = setting(
        8.0,
        "how long to wait for permits where a run is answered when it has started",
        why="clients give up at ten",
        unit=Unit.SECONDS,
        gt=0,
    )


class Asking(Group):
    """What a run may ask for (api.md)"""

    debug_ceiling: DebugLevel = setting(
        DebugLevel.SAFE_UNBOUNDED,
        "the highest debug_mode of a request",
        why="above it a contract could do what no other node sees",
        unit=Unit.CHOICE,
    )
    node_sockets: NodeDirectories = setting(
        what="directories below which nodes' sockets may be, absolute, separated by colons",
        made=default_node_sockets,
        shown="/tmp:/var/tmp:$TMPDIR:/run/genvm-node:$XDG_RUNTIME_DIR/genvm-node",  # noqa: S108
        why="where node software makes them and nothing wider: the manager connects with its own rights, and"
        " /run is full of other services",
        unit=Unit.PATHS,
    )
    node_networks: Networks = setting(
        tuple(map(ip_network, PRIVATE_NETWORKS)),
        "networks of nodes that are named by address and port, with commas",
        why="loopback and private ones; not 100.64.0.0/10, which carriers, overlays and clouds use",
        unit=Unit.NETWORKS,
    )
    allowed_arguments: list[str] = setting(
        ["--debug-mode"],
        "which of a request's extra_args are taken",
        why="the one that clients send",
        unit=Unit.NAMES,
    )


class Durations(Group):
    """How long things may take"""

    longest_run: float = setting(
        86_400.0,
        "how long a run may last, whatever it asks for",
        why="clients ask for minutes; a day is enough for everybody",
        unit=Unit.SECONDS,
        gt=0,
    )
    ready_timeout: float = setting(
        60.0,
        "how long a container may take from its start to its first word",
        why="a quarter of a second is usual; a machine that swaps takes many times that",
        unit=Unit.SECONDS,
        gt=0,
    )
    host_connect_timeout: float = setting(
        5.0,
        "how long connecting to a node may take",
        why="a node's socket is local or near",
        unit=Unit.SECONDS,
        gt=0,
    )
    end_grace: float = setting(
        2.0,
        "time from the order to end (deadline, shutdown) to SIGKILL",
        why="an executor that is well ends within milliseconds, and has time to say how",
        unit=Unit.SECONDS,
        ge=0,
    )
    retention: float = setting(
        300.0,
        "how long finished runs stay readable",
        why="a client that has been restarted still finds its runs",
        unit=Unit.SECONDS,
        gt=0,
    )
    refetch_grace: float = setting(
        30.0,
        "how long a status that was fetched can be fetched again",
        why="a client whose connection broke asks again within seconds",
        unit=Unit.SECONDS,
        ge=0,
    )
    shutdown_timeout: float = setting(
        20.0,
        "time for ending all runs at SIGTERM",
        why="less than the half minute after which service managers kill",
        unit=Unit.SECONDS,
        ge=0,
    )
    shutdown_policy: ShutdownPolicy = setting(
        ShutdownPolicy.DRAIN,
        "at SIGTERM. drain: end the runs; detach: leave them to the next manager on the state directory",
        why="nothing is left behind on a machine that has no next manager",
        unit=Unit.CHOICE,
    )
    drain_timeout: float = setting(
        0.0,
        "how long runs may go on after SIGTERM before they are ended",
        why="whoever stops a service is waiting for it",
        unit=Unit.SECONDS,
        ge=0,
    )


class Kept(Group):
    """What is kept of a run"""

    output_tail_bytes: int = setting(
        4 * MIB,
        "how much of the end of stdout and of stderr is kept, each",
        why="more than anybody reads, and bounded for a contract that only prints",
        unit=Unit.BYTES,
        ge=0,
    )
    log_records: int = setting(
        128, "how many of a run's last ones are kept", why="as the reference keeps", unit=Unit.RECORDS, ge=0
    )
    retained_bytes: int = setting(
        256 * MIB,
        "size of all finished runs together; the oldest of who has most go first",
        why="the journal stays small whatever runs print",
        unit=Unit.BYTES,
        ge=MIB,
    )
    retained_runs: int = setting(
        10_000,
        "how many finished ones are kept; they go in the same order",
        why="33 a second for the five minutes of retention",
        unit=Unit.RUNS,
        ge=1,
    )


class Logging(Group):
    """The manager's own log"""

    log_level: LogLevel = setting(
        "info",
        "trace, debug, info, warning or error; POST /log/level changes it",
        why="a line for each run and each thing that went wrong",
        unit=Unit.CHOICE,
    )
    log_format: LogFormat = setting(
        LogFormat.AUTO,
        "json, text, or auto: text on a terminal and JSON elsewhere",
        why="people read terminals, machines read the rest",
        unit=Unit.CHOICE,
    )

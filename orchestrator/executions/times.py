"""How long the executions wait for others, beside what an operator sets. Tests give other values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Times:
    """All in seconds."""

    hand_over: float = 2.0
    """A manager that is about to leave gives so much to the hand-overs that have begun."""
    row: float = 30.0
    """One row of an earlier manager, where waiting is concerned; one of 100 MiB is read within 1 s."""
    discards: float = 3.0
    """What a dead manager began and nobody needs is removed within it, or before its run begins anew."""
    still_fresh: float = 0.5
    """A look at a node's socket need not be repeated within it."""
    reconnect: float = 10.0
    """An adopted instance connects again within it: it tries every 200 ms."""
    settled: float = 2.0
    """The engine says within it how an adopted instance ended, when it has ended."""
    acknowledged: float = 1.0
    """An executor whose outcome is safe leaves by itself within it, or is ready again."""
    leaving: float = 0.5
    """From an executor's last word to its container's end as the engine tells of it."""
    letting_go: float = 5.0
    """A cancelled supervisor lets its instance go within it; the next manager's sweep does the rest."""
    watchdog_slack: float = 1.0
    """Everybody else has so much after the grace: the executor's own timer, the manager's kill."""
    least_grace: float = 0.1
    """A DELETE arrives while a healthy executor is just leaving (manager-api 6.1): so much it always gets."""
    finishing_grace: float = 3.0
    """One that tells the node its result gets more, on a machine that may stand still: killed now, its run
    would be `cancelled` with a result at the node. Less than a last GET waits."""
    drain: float = 1.0
    """For frames that an ended instance had already sent."""
    engine: float = 10.0
    """An engine under load says within it how an instance ended."""
    look: float = 2.0
    """A local file system tells within it what is at a node's socket."""
    name_look: float = 0.5
    """A client waits so long for its node's name to be resolved, before its run is written down."""
    name_kept: float = 5.0
    """A look at a name is as good as another within it."""
    full_queue: float = 0.02
    """Between two tries at a node whose queue of connections is full."""
    wake: float = 1.0
    """A node that waits in accept() is reached within it, or does not wait."""
    crashes: float = 3600.0
    """After the last crash of a key it is remembered for so long."""
    compiling: float = 30.0
    """An instance compiles a contract's source within it, or is ended."""


DEFAULT_TIMES = Times()

"""Settings of the warm pool; the composition root fills them from the manager's settings."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """Times in seconds, sizes in instances per key."""

    size: int = 2
    """Kept ready: a node runs a leader and a validator at a time, and each costs about 40 MiB."""
    largest: int | None = None
    """With the arrival rate the size grows up to this; None: it stays `size`."""
    concurrency: int = 1
    """Starts for the pool at once; contracts that run now need the processors more."""
    yield_to_starts: int = 2
    """With so many cold starts under way the pool starts nothing: somebody waits for those."""
    refill_delay: float = 0.05
    """From a claim to the start that replaces it: the claimed instance's hand-over goes first."""
    lent: float = 1.0
    """So long an instance that serves several runs counts as ready while a run has it: it will be back."""
    linger: float = 5.0
    """One that came back is not one too many before this: the next burst would start another in its place."""
    adoption: float = 3.0
    """For an earlier manager's ready instance to connect again: it tries every 0.2 s."""
    stand_back: float = 30.0
    """A start that waits for room comes before the pool's own for so long, from each that ended for it on."""
    most_given: int = 4
    """Instances that end for starts of a kind that wait for room: a module takes as much as some of them."""
    giving_pause: float = 5.0
    """For who waits to find the room of one, before the next one goes: it leaves, and the engine notices."""
    forget: float = 600.0
    """A kind that has found no room in this time, in spite of what it was given, is owed as much again."""
    max_age: float = 3600.0
    """Older ones are replaced."""
    idle: float = 900.0
    """A key that nobody has asked for in this time, and that is not kept warm always, is drained."""
    ready_timeout: float = 60.0
    """From start to `ready`."""
    exit_timeout: float = 1.0
    """For an instance that is told to leave, before it is destroyed."""
    settled: float = 30.0
    """One that ends younger than this counts as a failed start."""
    first_pause: float = 1.0
    """After a failed start; doubled with each further one."""
    longest_pause: float = 60.0
    """So long an image stays unused, at most, after it was repaired."""

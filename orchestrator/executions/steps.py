"""The steps of a run's life and how long each took: for its log line, its metrics and its trace. Pure."""

from __future__ import annotations

from enum import StrEnum

from orchestrator.clock import Ticks


class Step(StrEnum):
    """In the order in which a run comes to them; one that is ended early has fewer."""

    ACCEPT = "accept"
    """Writing it down."""
    QUEUE = "queue"
    """Waiting for its permits."""
    RESOLVE = "resolve"
    """Choosing the version, and looking whether its node is there."""
    INSTANCE = "instance"
    """Having an instance that is ready: a warm one at once, or a start; of a run taken over: finding it."""
    MODULES = "modules"
    """Sessions with the modules."""
    COMMIT = "commit"
    """Writing down that its node is dialled."""
    HAND_OVER = "hand_over"
    """Dialling the node and sending the job."""
    RUN = "run"
    """Until its result, or its end."""
    INTERRUPTED = "interrupted"
    """What it had of the step in which it was ended, before it ran."""
    RECORD = "record"
    """Writing down how it ended."""
    TAKE_AWAY = "take_away"
    """Until its instance was gone, or back in the pool."""


class StartPath(StrEnum):
    """Where a run's instance came from."""

    WARM = "warm"
    """One that was ready."""
    COLD = "cold"
    """One that was started for it."""
    REUSE = "reuse"
    """One that had served a run before."""
    ADOPTED = "adopted"
    """An earlier manager's: it had the run already."""


STARTING = (Step.ACCEPT, Step.QUEUE, Step.RESOLVE, Step.INSTANCE, Step.MODULES, Step.COMMIT, Step.HAND_OVER)
ENDING = (Step.RECORD, Step.TAKE_AWAY)


class StepTimes:
    """`seconds` has the steps that are over, in their order: each began where the one before ended."""

    __slots__ = ("_clock", "_last", "begun", "seconds")

    def __init__(self, clock: Ticks) -> None:
        self._clock = clock
        self.begun = self._last = clock.time()
        self.seconds: dict[Step, float] = {}

    def done(self, step: Step) -> None:
        """The step ends now."""
        now = self._clock.time()
        self.seconds[step] = self.seconds.get(step, 0.0) + now - self._last
        self._last = now

    def micros(self) -> dict[str, int]:
        """The steps that are over, in whole microseconds: as the journal keeps them."""
        return {step.value: int(seconds * 1e6) for step, seconds in self.seconds.items()}

    @property
    def total(self) -> float:
        """Seconds until the end of the last step that is over."""
        return self._last - self.begun

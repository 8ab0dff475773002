"""Which runs one connection follows, and the event that each of them is due (manager-api 4.3, 4.4)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from orchestrator.api.bytes_held import TooManyBytes
from orchestrator.api.large_answers import NO_ROOM, VERY_LARGE, LargeAnswers
from orchestrator.api.run_status import weight
from orchestrator.api.socket import frames
from orchestrator.api.socket.events import lost, progress, terminal
from orchestrator.api.socket.outgoing import Outgoing
from orchestrator.aside import aside
from orchestrator.executions.final import FinalStatus
from orchestrator.executions.run import Run
from orchestrator.executions.service import Executions
from orchestrator.views.visible import kept_bytes

# Of a slow reader's last events so much is kept here; the rest is read from the journal when it is sent.
HELD_BYTES = 1024 * 1024


class LastWords:
    """The last events of runs that have just ended, each made once, however many connections follow it."""

    def __init__(self) -> None:
        self._frames: WeakKeyDictionary[Run, bytes | None] = WeakKeyDictionary()

    def of(self, run: Run) -> bytes | None:
        """The frame; None for one that is too large to be held. The run has its outcome."""
        if run not in self._frames:
            final = run.final_status() if kept_bytes(run) <= HELD_BYTES else None
            self._frames[run] = None if final is None else frames.event(terminal(final))
        return self._frames[run]


class EventLost(Exception):
    """A run's last event can no longer be told: somebody else had the run forgotten meanwhile."""


@dataclass(slots=True)
class _Following:
    """A run without an outcome, and how to hear no more of it."""

    run: Run
    stop: Callable[[], None]


@dataclass(frozen=True, slots=True)
class _Ended:
    """A run whose last event was not sent yet."""

    frame: bytes | None


class Subscriptions:
    """Each run that is followed gets exactly one last event, and is then no longer followed.

    But for runs that are lost with this manager: those get none.
    """

    def __init__(
        self, executions: Executions, outgoing: Outgoing, last_words: LastWords, large: LargeAnswers
    ) -> None:
        self._large = large
        self._room = NO_ROOM
        self._executions = executions
        self._outgoing = outgoing
        self._last_words = last_words
        self._runs: dict[int, _Following | _Ended] = {}
        self._held = 0

    def follow(self, run: Run) -> None:
        """Tell of what happens to a run from now on. Following it twice is following it once."""
        if run.id in self._runs:
            return
        if run.concluded.done():
            self._end(run)
            return

        def started(_: object) -> None:
            self._outgoing.put_news(run.id)

        def concluded(_: object) -> None:
            self._end(run)

        def stop() -> None:
            run.started.remove_done_callback(started)
            run.concluded.remove_done_callback(concluded)

        if not run.started.done():
            run.started.add_done_callback(started)
        run.concluded.add_done_callback(concluded)
        self._runs[run.id] = _Following(run, stop)

    def tell(self, run: Run) -> None:
        """Follow a run, and tell of the event that it already has."""
        self.follow(run)
        if run.execution.started_at is not None:
            self._outgoing.put_news(run.id)

    def tell_ended(self, final: FinalStatus) -> None:
        """Tell how a run ended that is no longer in memory."""
        if final.id not in self._runs and not lost(final.outcome):
            self._hold(final.id, frames.event(terminal(final)) if weight(final) <= HELD_BYTES else None)

    async def event(self, run_id: int) -> bytes | None:
        """The frame of the run's newest event, which is now told; None when there is none.

        Raises EventLost, StoreFailure.
        """
        match self._runs.get(run_id):
            case None:
                return None
            case _Following(run):
                return frames.event(progress(run.execution, run.request.idempotency_key))
            case _Ended(frame):
                del self._runs[run_id]
                if frame is not None:
                    self._held -= len(frame)
                    return frame
                return await self._from_journal(run_id)

    def sent(self) -> None:
        """The event that was told last is on its way, or there was none."""
        self._room.give_back()

    def close(self) -> None:
        """Hear no more of any run. The runs go on."""
        self.sent()
        for subscription in self._runs.values():
            if isinstance(subscription, _Following):
                subscription.stop()
        self._runs.clear()
        self._held = 0

    def _end(self, run: Run) -> None:
        outcome = run.execution.outcome
        assert outcome is not None
        self._runs.pop(run.id, None)
        if not lost(outcome):
            self._hold(run.id, self._last_words.of(run))

    def _hold(self, run_id: int, frame: bytes | None) -> None:
        """Keep the last event rather than the run: what it printed may be large, and be forgotten soon."""
        if frame is None or self._held + len(frame) > HELD_BYTES:
            self._runs[run_id] = _Ended(None)
        else:
            self._held += len(frame)
            self._runs[run_id] = _Ended(frame)
        self._outgoing.put_news(run_id)

    async def _from_journal(self, run_id: int) -> bytes:
        """Waits its turn, and takes it until it is sent."""
        try:
            self._room = await self._large.take(kept_bytes(self._executions.known(run_id)), VERY_LARGE)
        except TooManyBytes as full:
            raise EventLost(str(full)) from None
        final = await self._executions.status(run_id)
        if final is None:
            raise EventLost(f"run {run_id} has been forgotten")
        return await aside(weight(final), lambda: frames.event(terminal(final)))

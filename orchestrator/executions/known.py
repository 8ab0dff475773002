"""The runs that a manager knows: live ones, ended ones while they are kept, and what names they go by."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum

from orchestrator.executions.ended import EndedRun
from orchestrator.executions.ended_block import EndedBlock
from orchestrator.executions.keys import RunKeys, host_key_of, key_of
from orchestrator.executions.plain import micros
from orchestrator.executions.poison import Poison
from orchestrator.executions.records import ended_from_run
from orchestrator.executions.request import RunRequest
from orchestrator.executions.retention import Retention
from orchestrator.executions.run import Run
from orchestrator.executions.state import State
from orchestrator.executions.times import Times
from orchestrator.executions.written import Written
from orchestrator.store.port import FetchedRow, ForgottenRows, Journal, WithdrawnKey


class Forgotten(StrEnum):
    """Why an ended run is kept no longer."""

    EXPIRED = "expired"
    """Its time was over."""
    ROOM = "room"
    """More runs, or bytes of them, than are kept."""
    ACKNOWLEDGED = "acknowledged"
    """Its client had all it wanted."""
    WITHDRAWN = "withdrawn"
    """It never began: its client was sent away, or had gone, before it had the id."""


class KnownRuns:
    """`revision` changes whenever a reader would see something else. Nothing here waits."""

    def __init__(self, journal: Journal, retention: Retention, times: Times) -> None:
        self._journal = journal
        self._retention = retention
        self._runs: dict[int, Run] = {}
        self._ids: list[int] = []
        self._keys = RunKeys()
        self.poison = Poison(timedelta(seconds=times.crashes))
        self.forgotten = dict.fromkeys(Forgotten, 0)
        self.revision = 0

    def find(self, run_id: int) -> Run | None:
        """A run that has not ended, or has only just ended."""
        run = self._runs.get(run_id)
        return None if run is None or run.acknowledged else run

    def find_ended(self, run_id: int) -> EndedRun | None:
        return self._retention.find(run_id)

    def known(self, run_id: int) -> Run | EndedRun | None:
        """A run, live or ended, while it is kept."""
        return self.find(run_id) or self._retention.find(run_id)

    def between(self, after: int, before: int, *, newest_first: bool) -> Iterator[Run | EndedRun]:
        """Known runs, live and ended, with ids between the two, in the order of their ids.

        Whoever takes his time over it is told of each as it is by then; one that has gone is passed over.
        """
        ids = self._ids[bisect_right(self._ids, after) : bisect_left(self._ids, before)]
        for run_id in reversed(ids) if newest_first else ids:
            if (found := self.known(run_id)) is not None:
                yield found

    def live(self) -> list[Run]:
        """Runs that have not ended, or have only just ended."""
        return [run for run in self._runs.values() if not run.acknowledged]

    def newest_ended(self, namespace: str | None) -> Iterator[EndedRun]:
        """Ended runs of a namespace (null: all), greatest id first."""
        return self._retention.newest(namespace)

    @property
    def ended_blocks(self) -> Collection[EndedBlock]:
        """Ended runs in the order in which they ended, by the dozen."""
        return self._retention.blocks

    def begun(self) -> list[Run]:
        """Runs that may have an instance, acknowledged ones included."""
        return [run for run in self._runs.values() if run.execution.state is not State.QUEUED]

    def supervised(self, run_id: int) -> Run | None:
        """A run that still has its supervisor, acknowledged or not."""
        return self._runs.get(run_id)

    def states(self) -> dict[State, int]:
        """How many runs there are in each state."""
        states = dict.fromkeys(State, 0)
        for run in self._runs.values():
            states[run.execution.state] += 1
        return states

    def retained(self, namespace: str | None) -> tuple[int, int]:
        """How many ended runs of a namespace (null: of all) are kept, and their bytes."""
        return self._retention.held(namespace)

    def changed(self, _: object = None) -> None:
        """Something that readers see is other than before."""
        self.revision += 1

    def add(self, run: Run) -> None:
        """A run that lives from now on."""
        self._runs[run.id] = run
        insort(self._ids, run.id)
        self._keys.remember(key_of(run.request), run.id)
        if run.request.manners.one_run_per_host:
            self._keys.remember(host_key_of(run.request), run.id)
        run.concluded.add_done_callback(lambda _: self._note_crash(run))
        for future in (run.admitted, run.started, run.concluded, run.released):
            future.add_done_callback(self.changed)
        self.changed()

    def _note_crash(self, run: Run) -> None:
        """At once, and not when its instance is gone: its client may have come again by then."""
        outcome = run.execution.outcome
        if outcome is not None and outcome.crashed:
            self.poison.add(run.id, key_of(run.request), outcome.cause, outcome.finished_at)

    def add_ended(self, ended: EndedRun) -> None:
        """A run that an earlier manager saw the end of."""
        insort(self._ids, ended.id)
        if ended.crashed:
            self.poison.add(ended.id, ended.key, ended.cause, ended.finished_at)
        self._keys.remember(ended.key, ended.id)
        self._keep(ended)

    def remove(self, run: Run) -> None:
        """A run that could not be written down: it never was."""
        del self._runs[run.id]
        self._unlist(run.id)
        self.forget_keys(run)
        self.changed()

    def retain(self, run: Run, now: datetime) -> None:
        """Its supervisor is done with it: an ended run now, unless its client has had enough of it, or nobody
        knows of it.
        """
        del self._runs[run.id]
        self._keys.forget(host_key_of(run.request), run.id)
        ended = ended_from_run(run, now if run.fetched else None)
        if ended.key is None:
            self._keys.forget(key_of(run.request), run.id)
        if not run.acknowledged:
            self._forget([ended], Forgotten.WITHDRAWN) if run.never_was else self._keep(ended)
        self.changed()

    def expire(self, now: datetime) -> None:
        """Forget ended runs past their time."""
        self._forget(self._retention.expire(now), Forgotten.EXPIRED)

    def forget_keys(self, run: Run) -> None:
        """The same request again is a new run."""
        for key in (key_of(run.request), host_key_of(run.request)):
            self._keys.forget(key, run.id)

    def withdraw_key(self, run: Run) -> None:
        self.forget_keys(run)
        run.request = replace(run.request, idempotency_key=None)
        self._journal.note(WithdrawnKey(run.id))

    def mark_fetched(self, run_id: int, now: datetime) -> None:
        """A client has the final status; it can be fetched again for a short while."""
        run = self._runs.get(run_id)
        if run is not None and not run.fetched:
            run.fetched = True
        elif run is not None or self._retention.fetched(run_id, now) is None:
            return
        self._journal.note(FetchedRow(run_id, micros(now)))
        self.changed()

    def acknowledge(self, run_id: int) -> bool:
        """Forget an ended run and its key, in memory; whether it was known."""
        if (run := self.find(run_id)) is not None:
            # Its instance is still being taken away.
            run.acknowledged = True
            key = key_of(run.request)
        elif (ended := self._retention.remove(run_id)) is not None:
            key = ended.key
        else:
            return False
        self.forgotten[Forgotten.ACKNOWLEDGED] += 1
        self._unlist(run_id)
        self._keys.forget(key, run_id)
        self.changed()
        return True

    def repeated(self, request: RunRequest) -> int | None:
        """The id of an ended run that has the request's idempotency key."""
        run_id = self._keys.find(key_of(request))
        return run_id if run_id is not None and run_id not in self._runs else None

    def same_run(self, request: RunRequest, accepted: Written) -> Run | None:
        """The live run that this request repeats."""
        if request.idempotency_key is not None:
            run = self._runs.get(self._keys.find(key_of(request)) or 0)
            if run is not None:
                return run
        if request.manners.one_run_per_host:
            run = self._runs.get(self._keys.find(host_key_of(request)) or 0)
            if run is not None and _waits_for(run, request, accepted):
                return run
        return None

    def _keep(self, ended: EndedRun) -> None:
        self._forget(self._retention.add(ended), Forgotten.ROOM)

    def _forget(self, ended: Iterable[EndedRun], why: Forgotten) -> None:
        """Drop ended runs from memory and journal."""
        ids = []
        for run in ended:
            ids.append(run.id)
            self._unlist(run.id)
            self._keys.forget(run.key, run.id)
        if ids:
            self.forgotten[why] += len(ids)
            self._journal.note(ForgottenRows(ids))
            self.changed()

    def _unlist(self, run_id: int) -> None:
        place = bisect_left(self._ids, run_id)
        if self._ids[place : place + 1] == [run_id]:
            del self._ids[place]


def _waits_for(run: Run, request: RunRequest, accepted: Written) -> bool:
    """The very same request, for a socket to which nothing has connected yet; one may lack its key."""
    if run.execution.dialled or run.concluded.done() or run.digest != accepted.digest:
        return False
    keys = (run.request.idempotency_key, request.idempotency_key)
    return None in keys or keys[0] == keys[1]

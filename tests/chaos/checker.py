"""Matches what was seen outside with what the journal says. Pure.

lost         an accepted run without exactly one final status; a status that a client read and the journal
             does not have; a result that the node took or the journal kept and that is not the result of
             an undisturbed run; a result that the node took and the journal does not know
doubled      one key with two runs, a host socket with two conversations, a result taken twice
orphans      containers and directories left at the end of a round
permits_off  permits not free at the end of a round; containers worth more permits than granted

A run at which a fault was aimed may end without a result, and its node may have taken one that the manager
never heard of: the container was removed between the two. The same is true of all runs when the engine was
restarted, as far as they say that this was the reason. A run that asked a module which was killed meanwhile
may end with what its contract makes of that: another result.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.chaos.history import (
    Accepted,
    Conversation,
    Delivered,
    Fault,
    History,
    PermitsSeen,
    Settled,
    StatusRead,
)
from tests.chaos.ledger import JournalRow

# What a run may end with, besides a result, when nothing but the manager died.
BY_RESTART = (("engine", "manager_restart"),)
# An engine that ended a container while no manager was there to see that it was away: all that is left to see
# is the signal.
BY_ENGINE = (("engine", "engine_restart"), ("engine", "container_lost"), ("signal", None))

ANSWERED_OTHERWISE = "module"
"""The kind of a fault after which a contract may come to something else."""


@dataclass
class Verdict:
    """Counts, and a sentence for each thing counted."""

    lost: int = 0
    doubled: int = 0
    orphans: int = 0
    permits_off: int = 0
    crossed: int = 0
    findings: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return not (self.lost or self.doubled or self.orphans or self.permits_off or self.crossed)

    def find(self, kind: str, text: str, count: int = 1) -> None:
        setattr(self, kind, getattr(self, kind) + count)
        self.findings.append(f"{kind}: {text}")


def check(history: History, journal: Sequence[JournalRow], expected: Mapping[str, bytes]) -> Verdict:
    """`expected` are the results of undisturbed runs, by work."""
    verdict = Verdict()
    rows = {row.id: row for row in journal}
    aimed_at = {fault.id for fault in history.all(Fault) if fault.id is not None}
    otherwise = {fault.id for fault in history.all(Fault) if fault.kind == ANSWERED_OTHERWISE}
    engine_restarted = any(fault.kind == "engine" for fault in history.all(Fault))
    accepted = {entry.key: entry for entry in history.all(Accepted)}
    delivered = {entry.key: bytes.fromhex(entry.result) for entry in history.all(Delivered)}
    for entry in accepted.values():
        row = rows.get(entry.id)
        if row is None or not row.final:
            verdict.find("lost", f"run {entry.id} has no final status ({row.state if row else 'no row'})")
            continue
        by_engine = engine_restarted and (row.cause, row.reason) in BY_ENGINE
        excused = entry.id in aimed_at or by_engine
        taken = delivered.get(entry.key)
        if entry.id in otherwise:
            # Whatever it came to, node and journal have the same.
            _check_result(
                verdict, row, taken, row.result if row.result is not None else taken or b"", excused
            )
        else:
            _check_result(verdict, row, taken, expected[entry.work], excused)
    _check_statuses(verdict, history, rows, accepted)
    _check_doubles(verdict, history, journal)
    _check_leftovers(verdict, history)
    return verdict


def _check_result(
    verdict: Verdict, row: JournalRow, taken: bytes | None, expected: bytes, excused: bool
) -> None:
    if row.result is not None and row.result != expected:
        verdict.find("lost", f"run {row.id}: the journal has another result than an undisturbed run")
    if taken is not None and taken != expected:
        verdict.find("lost", f"run {row.id}: the node took another result than an undisturbed run's")
    if taken is not None and row.result is None and not excused:
        verdict.find("lost", f"run {row.id}: the node has a result, the journal has {row.cause} {row.error}")
    if row.result is None and not excused and (row.cause, row.reason) not in BY_RESTART:
        verdict.find("lost", f"run {row.id} ended with {row.cause} {row.reason}: {row.error}")


def _check_statuses(
    verdict: Verdict, history: History, rows: Mapping[int, JournalRow], accepted: Mapping[str, Accepted]
) -> None:
    read = {status.key for status in history.all(StatusRead)}
    for entry in accepted.values():
        if entry.key not in read:
            verdict.find("lost", f"run {entry.id}: its client never got a final status")
    for status in history.all(StatusRead):
        row = rows.get(status.id)
        wanted = None if row is None else (row.cause, row.reason, (row.finished_at or 0) // 1000)
        if wanted != (status.cause, status.reason, status.finished_at):
            verdict.find("lost", f"run {status.id}: a client read {status}, the journal has {wanted}")


def _check_doubles(verdict: Verdict, history: History, journal: Sequence[JournalRow]) -> None:
    told: dict[str, set[int]] = {}
    for entry in history.all(Accepted):
        told.setdefault(entry.key, set()).add(entry.id)
    counts = (
        ("ids told for key", {key: len(ids) for key, ids in told.items()}),
        ("rows for key", Counter(row.key for row in journal if row.key in told)),
        ("conversations for key", Counter(entry.key for entry in history.all(Conversation))),
        ("results for key", Counter(entry.key for entry in history.all(Delivered))),
    )
    for what, counted in counts:
        for key, count in counted.items():
            if count > 1:
                verdict.find("doubled", f"{count} {what} {key}")
    for key in {entry.key for entry in history.all(Conversation)} - told.keys():
        verdict.find("doubled", f"a conversation for key {key}, which nobody was told to be accepted")


def _check_leftovers(verdict: Verdict, history: History) -> None:
    for settled in history.all(Settled):
        for left in (*settled.containers, *settled.directories):
            verdict.find("orphans", f"{left} is left after a round")
        if settled.permits_free != settled.permits_maximum:
            missing = settled.permits_maximum - settled.permits_free
            verdict.find("permits_off", f"{missing} permits are held by nobody", abs(missing))
    for seen in history.all(PermitsSeen):
        if seen.in_use > seen.maximum:
            verdict.find("permits_off", f"containers worth {seen.in_use} permits of {seen.maximum}")

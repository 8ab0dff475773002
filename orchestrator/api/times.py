"""How long the edge waits before it answers. Tests give other values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ApiTimes:
    """All in seconds."""

    quick_delete: float = 1.2
    """A DELETE answers inside a client's read timeout of 1.5 s whatever the engine does (6.1, W11)."""
    kill: float = 10.0
    """A client that grants a longer grace waits that long, plus what a kill may take."""
    longest_wait: float = 120.0
    """A client that would wait longer for a status asks again."""
    last_get: float = 5.0
    """The one GET after a DELETE is a node's last question: it may wait for a status that is about to be
    there."""
    acknowledgement: float = 1.0
    """So long may a status wait for a node to take an outcome that is on its way to it. One of the oldest
    generation that is told of an internal error takes nothing: it waits for this answer."""
    recovery: float = 1.0
    """A request waits so long for what an earlier manager left to be taken over: most are by then, and
    no client gives up before."""
    turning_away: float = 0.5
    """A client that sends more than there is room for takes its leave within it."""
    last_words: float = 0.5
    """A client may read its last events within it when the manager goes."""

    schema: float = 30.0
    """A run that asks a contract for its schema ends within it."""
    model: float = 300.0
    """A model that is checked answers within it, where the client names no time of its own."""
    room: float = 30.0
    """Somebody who waits to be told something large is told to come again when in all of it none was told."""
    member_connect: float = 2.0
    """A manager that does not accept within it counts as away."""
    member_again: float = 0.2
    """Between two looks at who has a run now, or whether a manager that is asked still lives."""
    member_owner: float = 30.0
    """Others wait so long for a dead manager's run to have another one; the default lease is 15."""
    member_clock: float = 300.0
    """The clocks of two managers differ by no more."""
    member_memory: float = 5.0
    """Another manager tells within it what it has in memory, or counts as away."""

    page: float = 1.0
    """An operator's page is told of changes so often: what changes in between it sees at once."""
    page_patience: float = 20.0
    """A page that has taken nothing of what it was told for so long is gone."""


DEFAULT_API_TIMES = ApiTimes()

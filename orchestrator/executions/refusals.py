"""What the executions refuse to do, and why."""

from __future__ import annotations


class Refused(Exception):
    """A run is not accepted; the text says why.

    Refused
    ├── QueueFull      try again later
    ├── TooExpensive   it needs more permits than there can be
    ├── NotRecorded    the journal cannot take it
    ├── JustEnded      the same run began and ended meanwhile
    └── ShuttingDown   this manager takes no more runs
    """


class QueueFull(Refused):
    """Too many runs wait for permits."""


class TooExpensive(Refused):
    """A run needs more permits than the maximum."""


class NotRecorded(Refused):
    """The journal cannot take the run, so that it could be lost."""


class JustEnded(Refused):
    """The same run began and ended while this request waited; a repeated one will find it."""


class ShuttingDown(Refused):
    """The manager is about to stop."""


class UnknownRun(Exception):
    """There never was such a run, or it was acknowledged, or its retention is over."""


class NotEnded(Exception):
    """The run has no outcome yet."""

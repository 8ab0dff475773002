"""Whether this manager has seen for itself that another is silent.

After a machine or a database that stood still all leases have ended at once, and whoever wakes first would
take the living for dead. So nobody is judged but by a manager that renewed its own lease all the while.
"""

from __future__ import annotations

GAP = 1 / 2
WATCH = 1 / 3
"""Of a lease: between two renewals at most (a shorter stillness ends nobody's lease), and how long they must
have gone on."""


class Steadiness:
    def __init__(self, lease: float) -> None:
        self._lease = lease
        self._since: float | None = None
        self._last = 0.0

    def renewed(self, at: float) -> None:
        """The lease was renewed; `at`: seconds of a clock that goes on while the machine stands still."""
        if self._since is None or at - self._last > self._lease * GAP:
            self._since = at
        self._last = at

    @property
    def may_judge(self) -> bool:
        """Whether one whose lease has ended by now is dead."""
        return self._since is not None and self._last - self._since >= self._lease * WATCH

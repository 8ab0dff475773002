"""What a manager's permits are among several managers': a share, and a need to be told to the others."""

from __future__ import annotations

from collections.abc import Callable

from orchestrator.executions.admission import Admission
from orchestrator.executions.permits import Need


class Sharing:
    """The part of a manager's admission that others have a say in; a lone one's says nothing."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission

    def need(self) -> Need:
        """What this manager's runs hold of the permits, and wait for."""
        return self._admission.need()

    @property
    def is_short(self) -> bool:
        """Whether a run waits for permits that other managers may have."""
        return self._admission.is_short

    def on_short(self, tell: Callable[[], None]) -> None:
        """Have `tell` called when a run has to wait for permits that other managers may have."""
        self._admission.fell_short = tell

    def go_by(self, maximum: int, share: int, elsewhere: int) -> None:
        """`share` of the `maximum` permits from now on; `elsewhere`: what others' runs hold."""
        self._admission.go_by(maximum, share, elsewhere)

"""What can be told of a run that has ended, from memory or from the journal. Values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.executions.output import tail_text
from orchestrator.executions.request import ResultForm, RunRequest
from orchestrator.executions.state import Outcome
from orchestrator.executions.trace import Trace


@dataclass(frozen=True, slots=True)
class Terms:
    """What of a request still matters when its run is over."""

    host: str
    result_form: ResultForm
    capture_output: bool
    log_needs_capture: bool
    tell_node: bool = False
    """A node that waits in accept() is woken when its run ends before anybody has connected."""
    trace: str | None = None
    """What the run is part of, as `traceparent` writes it; the next manager goes on with it."""

    @classmethod
    def of(cls, request: RunRequest, trace: Trace | None = None) -> Terms:
        call, manners = request.call, request.manners
        return cls(
            call.host,
            manners.result_form,
            call.capture_output,
            manners.log_needs_capture,
            manners.tell_node,
            None if trace is None else trace.text,
        )


@dataclass(frozen=True, slots=True)
class FinalStatus:
    """Everything that can be told of an ended run. Output is the kept tail; totals count what was cut off."""

    id: int
    key: str | None
    version: str
    engine_id: str | None
    terms: Terms
    outcome: Outcome
    stdout: bytes
    stdout_total: int
    stderr: bytes
    stderr_total: int
    log: list[Mapping[str, Any]]

    @property
    def stdout_text(self) -> str:
        """Bytes that are no UTF-8 are replaced."""
        return tail_text(self.stdout, self.stdout_total)

    @property
    def stderr_text(self) -> str:
        """Bytes that are no UTF-8 are replaced."""
        return tail_text(self.stderr, self.stderr_total)

"""What a call raises in a contract's test.

CallFailed
├── UserError      the contract refused: it raised gl.vm.UserError
├── VmError        the contract failed: another exception, its memory, its time
├── Undetermined   the validators did not agree with their leader
└── NoResult       there was no result: a module was missing, the run died
"""

from __future__ import annotations

from orchestrator.node.contract_lines import complaint, line_of, places
from orchestrator.node.run_report import RunReport
from orchestrator.terminal_text import harmless

SHOWN_OUTPUT = 2000
OUT_OF_TIME = "it had not ended when its time was over (--run-limit SECONDS gives it more)"


class CallFailed(Exception):
    """`data`: the error's value; `text`: the same as text; `outcome`: everything about the run."""

    def __init__(self, message: str, outcome: RunReport) -> None:
        super().__init__(message)
        self.outcome = outcome
        self.data = None if outcome.result is None else outcome.result.data
        self.text = self.data if isinstance(self.data, str) else repr(self.data)


class UserError(CallFailed):
    """The contract refused by its own logic."""


class VmError(CallFailed):
    """The contract failed."""


class Undetermined(CallFailed):
    """Too few nodes agreed; `outcome.votes` has the validators' votes."""


class NoResult(CallFailed):
    """There is no result."""


_KINDS: dict[str, type[CallFailed]] = {"UserError": UserError, "VmError": VmError}


def failure_of(outcome: RunReport, what: str, code: bytes, file: str) -> CallFailed:
    """The exception for a run that did not return, or does not count; with the contract's own line."""
    if not outcome.agreed:
        return Undetermined(f"{what}: {outcome.failure} (votes: {', '.join(outcome.votes)})", outcome)
    kind = _KINDS.get(outcome.kind, NoResult)
    data = outcome.failure if outcome.result is None else outcome.result.data
    lines = [f"{what}: {outcome.kind} {data!r}" + (f" ({outcome.failure})" if outcome.failure else "")]
    if found := places(outcome.stderr):
        place = found[-1]
        source = "" if place.file else line_of(code, place.line)
        lines.append(f"  at {place.shown(file)}" + (f": {source}" if source else ""))
    if data == "timeout":
        lines.append(f"  {OUT_OF_TIME}")
    elif said := complaint(outcome.stderr):
        lines.append(f"  {said}")
    elif outcome.stderr:
        lines.append(outcome.stderr[-SHOWN_OUTPUT:])
    # It ends on somebody's terminal, as pytest shows it.
    return kind(harmless("\n".join(lines)), outcome)

"""What a developer gets to see of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from genvm_wire.address import Address
from genvm_wire.results import RunResult


@dataclass(frozen=True, slots=True)
class RunReport:
    """A run's end. `result` null: there was none, and `failure` says why as far as the node knows.

    `status` is the manager's status without the output; `timings` are seconds since the run was begun:
    `accepted` (the manager answered), `connected` (the executor reached the host), `result`, `total`.
    """

    run_id: int | None
    address: Address
    result: RunResult | None
    failure: str
    stdout: str
    stderr: str
    status: Mapping[str, Any]
    timings: Mapping[str, float]
    messages: int = 0
    events: int = 0
    transaction: str | None = None
    """its hash; null for what is none: views, schemas"""
    votes: tuple[str, ...] = ()
    """of the validators: `agree`, `disagree`, `no_vote`"""
    agreed: bool = True
    """whether it counts: most nodes agreed with the leader"""

    @property
    def kind(self) -> str:
        """`Return`, `UserError`, `VmError`, `InternalError` or `NoResult`."""
        return "NoResult" if self.result is None else self.result.kind

    @property
    def counts(self) -> bool:
        """Whether what it did stays."""
        return self.agreed and not self.failure and self.result is not None and self.result.succeeded

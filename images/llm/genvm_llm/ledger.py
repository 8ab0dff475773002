"""What one session has used: HTTP calls, tokens, gen (modules 1.11)."""

from __future__ import annotations

from dataclasses import dataclass, field

from genvm_llm.usage import ModelTotals, Usage
from genvm_wire.calldata import Encodable


@dataclass(slots=True)
class Ledger:
    """`microseconds` from a call's start until its body was read."""

    calls: int = 0
    microseconds: int = 0
    gen: int = 0
    models: dict[str, ModelTotals] = field(default_factory=dict)

    def call(self, seconds: float) -> None:
        self.calls += 1
        self.microseconds += round(seconds * 1_000_000)

    def success(self, backend: str, model: str, usage: Usage, images: int) -> None:
        self.models.setdefault(f"{backend}/{model}", ModelTotals()).add(usage, images)

    def statistics(self) -> dict[str, Encodable]:
        return {
            "scripting": {"requests_count": self.calls, "requests_time": self.microseconds},
            "tokens": {name: totals.tokens() for name, totals in self.models.items()},
        }

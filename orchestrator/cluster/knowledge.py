"""What a manager has in memory alone, and tells the other managers when they ask: secrets are in it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from orchestrator.modules.failures import ModuleFailure
from orchestrator.modules.kinds import ModuleKind
from orchestrator.store.members import Member
from orchestrator.store.standing_orders import StandingOrder

TIMES, AGAIN = 40, 0.05
"""How often, and after how many seconds, one is asked again that is about to know."""


@dataclass(frozen=True, slots=True)
class KnownConfiguration:
    """The posted configuration of the order with that number."""

    order: int
    config: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Knowledge:
    """`complete_to`: the number of the last order about variables that is in `variables`. `undecided`: it is
    giving an order about these, which may stand already."""

    configurations: Mapping[ModuleKind, KnownConfiguration]
    variables: Mapping[str, str] = field(repr=False)
    complete_to: int
    undecided: frozenset[str] = frozenset()


class NotToBeHad(ModuleFailure):
    """What only other managers have. `away`: one of them may have it that does not answer."""

    def __init__(self, text: str, *, away: bool) -> None:
        super().__init__(text)
        self.away = away


class Others(Protocol):
    """The other managers."""

    async def living(self) -> Sequence[Member]:
        """Those that live now. One that joined since the last beat may be who gave the order."""

    async def ask(self, other: Member) -> Knowledge | None:
        """What it knows; null when it does not say."""

    async def tell(self, subject: str) -> None:
        """Have all that live bring themselves in line with the order about `subject`, and wait for that."""


async def heard(others: Others, subject: str, standing: StandingOrder) -> AsyncIterator[Knowledge | None]:
    """What the others know about an order, one after the other, who gave it first; null: it does not say."""
    for other in sorted(await others.living(), key=lambda other: other.id != standing.manager):
        said = await others.ask(other)
        for _ in range(TIMES):
            if said is None or subject not in said.undecided:
                break
            await asyncio.sleep(AGAIN)
            said = await others.ask(other)
        yield None if said is None or subject in said.undecided else said

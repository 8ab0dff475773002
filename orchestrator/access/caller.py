"""On whose behalf a request is served. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.access.scope import Scope

# Where runs live that no token has started: those of a manager without tokens, and those of its journal.
DEFAULT_NAMESPACE = "default"


@dataclass(frozen=True, slots=True)
class Caller:
    """`name` is the token's, null without tokens. What the caller starts lives in `namespace`."""

    name: str | None
    scope: Scope
    namespace: str

    @property
    def sees(self) -> str | None:
        """The one namespace whose runs the caller sees; null: all of them."""
        return None if self.scope is Scope.OPERATOR else self.namespace


# Without tokens whoever reaches the API may do everything.
ANYBODY = Caller(None, Scope.OPERATOR, DEFAULT_NAMESPACE)

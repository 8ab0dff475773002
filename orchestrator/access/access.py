"""What the edge asks about callers: tokens if there are any, the audit log, where operators are served."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from orchestrator.access.audit import AuditLog
from orchestrator.access.watch import TokenWatch

TOKENS_STALE = "the tokens file is faulty: the earlier tokens stay in force; see the log"
AUDIT_UNWRITTEN = "the audit file cannot be written; see the log"


@dataclass(frozen=True, slots=True)
class Access:
    """`tokens` null: nobody needs one. `operator_socket`: the only place where operator routes are served."""

    audit: AuditLog
    tokens: TokenWatch | None = None
    operator_socket: Path | None = None

    def problems(self) -> list[str]:
        """What is wrong, in words that anybody may read."""
        found = []
        if self.tokens is not None and self.tokens.problem is not None:
            found.append(TOKENS_STALE)
        if self.audit.problem is not None:
            found.append(AUDIT_UNWRITTEN)
        return found

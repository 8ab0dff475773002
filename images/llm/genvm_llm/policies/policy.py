"""The seam between a session and the policy that answers its prompts."""

from __future__ import annotations

from typing import Protocol

from genvm_llm.backends import Completion
from genvm_llm.routing import Desk
from genvm_llm.tasks import Task


class Policy(Protocol):
    """Shared by all sessions of a configuration."""

    async def answer(self, task: Task, desk: Desk) -> Completion:
        """Raises ModuleError."""

    async def close(self) -> None: ...

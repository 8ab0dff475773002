"""The default policy: every model that fits, by priority, once each (modules 2.8)."""

from __future__ import annotations

from genvm_llm.backends import Completion
from genvm_llm.routing import Desk
from genvm_llm.tasks import Task, require_text


class DefaultPolicy:
    async def answer(self, task: Task, desk: Desk) -> Completion:
        """See `policy.Policy.answer`."""
        require_text(task)
        candidates = desk.candidates(task.form, bool(task.prompt.images))
        return await desk.first_success(candidates, task.prompt, task.form)

    async def close(self) -> None:
        """Nothing to close."""

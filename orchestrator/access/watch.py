"""Keeping the tokens in force in step with their file, without a restart."""

from __future__ import annotations

import asyncio
from pathlib import Path

import structlog

from orchestrator.access.entries import BadTokens
from orchestrator.access.file import Mark, Reading, mark_of, read_tokens
from orchestrator.access.register import Register

log = structlog.get_logger(__name__)


class TokenWatch:
    """The register of one file. `problem` says why the file as it is now is not in force; null: it is."""

    def __init__(self, path: Path, first: Reading) -> None:
        self._path = path
        self._seen: Mark | None = first.mark
        self.register = Register(first.tokens)
        self.problem: str | None = None

    @classmethod
    async def open(cls, path: Path) -> TokenWatch:
        """Raises BadTokens: without tokens a manager that shall have some does not start."""
        return cls(path, await asyncio.to_thread(read_tokens, path))

    async def keep_looking(self, every: float) -> None:
        """For ever: one look each `every` seconds, off the loop."""
        while True:
            await asyncio.sleep(every)
            await self.look()

    async def look(self) -> None:
        """Take over the file if it has changed; a bad one changes nothing but `problem`."""
        mark = await asyncio.to_thread(mark_of, self._path)
        if mark is not None and mark == self._seen:
            return
        try:
            reading = await asyncio.to_thread(read_tokens, self._path)
        except BadTokens as bad:
            self._seen = None
            if str(bad) != self.problem:
                self.problem = str(bad)
                log.error("tokens_not_taken_over", error=self.problem, in_force=len(self.register))
            return
        self._seen = reading.mark
        self._take_over(reading)

    def _take_over(self, reading: Reading) -> None:
        changed = self.register.replace(reading.tokens)
        if changed or self.problem is not None:
            log.info("tokens_taken_over", tokens=len(self.register))
        self.problem = None

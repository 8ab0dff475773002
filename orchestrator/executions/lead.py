"""Whether this manager may begin anything: one whose place others may take must not."""

from __future__ import annotations

from typing import Protocol


class Lead(Protocol):
    async def held(self) -> None:
        """Return while nobody else can have this manager's runs; wait until it is so again."""


class Always:
    """Of a manager that has its journal for itself."""

    async def held(self) -> None:
        """At once."""


ALWAYS = Always()

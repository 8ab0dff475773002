"""Values for `${ENV[NAME]}` in module configurations and checks: those of `/env`, then the process's own.

What is told is kept in memory only, is never put into the process's environment, and is never shown.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

# The manager's own secrets are nobody's template values.
HIDDEN = frozenset({"GENVM_DATABASE_URL"})
MOST_ENTRIES = 10_000


class EnvironmentFull(Exception):
    """Too many values have been set."""


class EnvironmentOverlay:
    """Names and values above the process's environment. `repr` names no value."""

    def __init__(self, below: Mapping[str, str] = os.environ) -> None:
        self._below = below
        self._told: dict[str, str] = {}

    def get(self, name: str) -> str | None:
        """The value of `name`; None when it is set nowhere."""
        if name in self._told:
            return self._told[name]
        return None if name in HIDDEN else self._below.get(name)

    def set(self, name: str, value: str) -> None:
        """Raises EnvironmentFull."""
        if name not in self._told and len(self._told) >= MOST_ENTRIES:
            raise EnvironmentFull(f"more than {MOST_ENTRIES} values are set by /env")
        self._told[name] = value

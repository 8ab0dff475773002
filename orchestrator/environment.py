"""Values for `${ENV[NAME]}` in configurations and checks: those of `/env`, then some of the process's own.

What is told is kept in memory only, is never put into the process's environment, and is never shown. Of the
process's environment only the names on a list are to be had: whoever may post a configuration or a check says
where the values are sent.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping

import structlog

OWN_PREFIX = "GENVM_"
"""The manager's own settings, secrets among them, are nobody's template values, whatever the list says."""
MOST_ENTRIES = 10_000
MOST_CHARACTERS = 16 * 1024 * 1024
"""Of all names and values: they stay in memory."""

log = structlog.get_logger(__name__)


class EnvironmentFull(Exception):
    """Too many values have been set, or too large ones."""


class EnvironmentOverlay:
    """Names and values above those of the process that are `allowed`. `repr` names no value."""

    def __init__(self, allowed: Collection[str], below: Mapping[str, str] = os.environ) -> None:
        self._allowed = frozenset(name for name in allowed if not name.startswith(OWN_PREFIX))
        self._below = below
        self._told: dict[str, str] = {}
        self._withheld: set[str] = set()

    def get(self, name: str) -> str | None:
        """The value of `name`; None when it is set nowhere, or not to be had."""
        if name in self._told:
            return self._told[name]
        if name in self._allowed:
            return self._below.get(name)
        if name in self._below and name not in self._withheld:
            self._withheld.add(name)
            log.warning("variable_withheld", variable=name, advice="name it in GENVM_TEMPLATE_VARIABLES")
        return None

    def set(self, name: str, value: str) -> None:
        """Raises EnvironmentFull."""
        self.check_room_for(name, value)
        self._told[name] = value

    def check_room_for(self, name: str, value: str) -> None:
        """Raises EnvironmentFull."""
        if name not in self._told and len(self._told) >= MOST_ENTRIES:
            raise EnvironmentFull(f"more than {MOST_ENTRIES} values are set by /env")
        others = sum(len(one) + len(text) for one, text in self._told.items() if one != name)
        if others + len(name) + len(value) > MOST_CHARACTERS:
            raise EnvironmentFull(f"more than {MOST_CHARACTERS} characters are set by /env")

    def learn(self, values: Mapping[str, str]) -> None:
        """What another manager was told by `/env`, and all of them go by."""
        self._told |= values

    def told(self) -> dict[str, str]:
        """What was set by `/env`: secrets in clear, for another manager and nobody else."""
        return dict(self._told)

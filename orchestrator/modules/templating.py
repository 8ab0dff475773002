"""`${…}` in a module's configuration (modules 2.2). Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from genvm_wire.calldata import Value
from orchestrator.modules.failures import BadConfiguration

PLACES = frozenset({"host"})
"""Keys under which nothing of the environment may stand: a value there is sent to whoever the rest names."""
VARIABLE = re.compile(r"\$\{([a-zA-Z0-9_]*|ENV\[[a-zA-Z0-9_]*\])\}")
MOST_DEPTH = 64
MOST_REPLACED = 1024 * 1024
"""Characters that variables put in, all together: a few that stand many times would take all memory."""
LONGEST_SHOWN = 100
"""Characters of an unknown variable's name."""

Lookup = Callable[[str], str | None]


@dataclass(slots=True)
class Template:
    """Expands string values, once: a replacement is not looked at again. Keys stay as they are.

    `names` are the plain variables, `environment` looks up `ENV[…]`. `taken` collects what came from the
    environment, which is where secrets come from.
    """

    names: Mapping[str, str]
    environment: Lookup
    taken: set[str] = field(default_factory=set, repr=False)
    replaced: int = 0

    def text(self, text: str) -> str:
        """Raises BadConfiguration for a plain variable that there is not."""
        return VARIABLE.sub(self._replacement, text)

    def place(self, text: str) -> str:
        """The address in `text`: plain variables are replaced; one of the environment has to be unset.

        Raises BadConfiguration.
        """
        for found in VARIABLE.finditer(text):
            if found[1].startswith("ENV[") and self.environment(found[1][4:-1]):
                raise BadConfiguration(f"a host is written out: {found[0]} may not stand in it")
        return self.text(text)

    def expand(self, value: Any, depth: int = 0) -> Value:
        """`value`, as JSON or YAML has it, expanded and as calldata: fractions become decimal text.

        Raises BadConfiguration.
        """
        if depth > MOST_DEPTH:
            raise BadConfiguration(f"the configuration is nested more than {MOST_DEPTH} levels deep")
        match value:
            case None | bool() | int():
                return value
            case float():
                return _decimal(value)
            case str():
                return self.text(value)
            case list():
                return [self.expand(item, depth + 1) for item in value]
            case dict():
                return {_key(key): self._member(key, item, depth + 1) for key, item in value.items()}
            case _:
                raise BadConfiguration(f"the configuration holds a {type(value).__name__}, which is not JSON")

    def _member(self, key: str, value: Any, depth: int) -> Value:
        return self.place(value) if key in PLACES and isinstance(value, str) else self.expand(value, depth)

    def _replacement(self, found: re.Match[str]) -> str:
        """Raises BadConfiguration."""
        value = self._value(found[1])
        self.replaced += len(value)
        if self.replaced > MOST_REPLACED:
            raise BadConfiguration(f"variables put in more than {MOST_REPLACED} characters")
        return value

    def _value(self, name: str) -> str:
        if name.startswith("ENV["):
            value = self.environment(name[4:-1]) or ""
            self.taken.add(value)
            return value
        if name not in self.names:
            shown = name if len(name) <= LONGEST_SHOWN else f"{name[:LONGEST_SHOWN]}…"
            raise BadConfiguration(f"unknown variable `{shown}`")
        return self.names[name]


def _key(key: object) -> str:
    if not isinstance(key, str):
        raise BadConfiguration(f"the configuration has the key {str(key)[:40]!r}: keys must be strings")
    return key


def _decimal(number: float) -> str:
    if not math.isfinite(number):
        raise BadConfiguration(f"the configuration holds the number {number}, which is not JSON")
    return format(Decimal(repr(number)), "f")

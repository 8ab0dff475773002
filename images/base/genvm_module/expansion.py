"""`${…}` in configurations, expanded once, when a module starts (modules 2.2)."""

from __future__ import annotations

import re
from collections.abc import Mapping

VARIABLE = re.compile(r"\$\{([a-zA-Z0-9_]*|ENV\[[a-zA-Z0-9_]*\])\}")
INSTALL_FACTS = frozenset({"exeDir", "genvmVersion", "genvmRoot"})
"""Nodes send shipped configurations back verbatim; where upstream is installed means nothing here."""


class UnknownVariable(Exception):
    """A name that stands for nothing; the text is for operators."""


def expand(value: object, environment: Mapping[str, str]) -> object:
    """`value` with every string in it expanded, map keys excepted. Replacements are not scanned again.

    Raises UnknownVariable.
    """
    if isinstance(value, str):
        return expand_text(value, environment)
    if isinstance(value, Mapping):
        return {key: expand(item, environment) for key, item in value.items()}
    if isinstance(value, list):
        return [expand(item, environment) for item in value]
    return value


def expand_text(text: str, environment: Mapping[str, str]) -> str:
    """One string. A variable that is not set is empty; raises UnknownVariable for a name that is none."""
    return VARIABLE.sub(lambda match: _meaning(match[1], environment), text)


def _meaning(name: str, environment: Mapping[str, str]) -> str:
    if name.startswith("ENV["):
        return environment.get(name[4:-1], "")
    if name in INSTALL_FACTS:
        return ""
    raise UnknownVariable(f"unknown variable `{name}`")

"""The start message, as it arrived (contract-sdk 3.1). Set once, by the bootloader."""

from __future__ import annotations

from typing import Any

_current: dict[str, Any] = {}


def begin(raw: dict[str, Any]) -> None:
    """Make the message known."""
    _current.update(raw)


def raw() -> dict[str, Any]:
    """The map itself, empty before there is one."""
    return _current


def field(name: str) -> Any:
    """What the message says. KeyError before there is one."""
    return _current[name]

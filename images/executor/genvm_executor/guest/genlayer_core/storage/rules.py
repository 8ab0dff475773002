"""What lines refuse differently. The line in use is told by its bootloader entry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


def assertion(expected: str, value: object) -> Exception:
    """Up to v0.2: a failed assertion."""
    return AssertionError(f"Is right the same storage type? `{expected}` <- `{type(value).__name__}`")


@dataclass(frozen=True)
class StorageRules:
    """One line's."""

    mismatch: Callable[[str, object], Exception] = assertion
    """the error for a value of another storage type, by the name of the place's type"""
    most_bytes: int | None = None
    """of a record or an array in place"""


class InUse:
    """The rules of the line that runs."""

    rules = StorageRules()


class GenerationError(TypeError):
    """A type that cannot be laid out in storage."""


def mismatch(expected: str, value: object) -> Exception:
    """The error for a value that is not of the place's storage type."""
    return InUse.rules.mismatch(expected, value)


def check_size(name: str, size: int) -> int:
    """The size. Raises GenerationError for more than the line in use lays out in place."""
    most = InUse.rules.most_bytes
    if most is not None and size > most:
        raise GenerationError(f"{name} has {size} bytes in place; at most {most} are allowed")
    return size

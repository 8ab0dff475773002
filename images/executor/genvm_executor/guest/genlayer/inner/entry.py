"""What the bootloader asks of this line's library (`genvm_runner`)."""

from __future__ import annotations

from typing import Any

from genlayer.gl.vm import UserError
from genlayer.py.public_abi import EntryKind
from genlayer.py.storage import Root
from genlayer.py.types import UNSIGNED

from . import start
from .dispatch import DISPATCH

__all__ = ("DISPATCH", "EntryKind", "Root", "UNSIGNED", "UserError", "begin", "refusal")  # noqa: RUF022


def begin() -> None:
    """Show the start message as this line does."""
    start.begin()


def refusal(error: UserError) -> tuple[str, Any]:
    """The request that ends a VM with a user error, and its payload."""
    return "Rollback", error.message

"""What the bootloader asks of this line's library (`genvm_runner`)."""

from __future__ import annotations

from typing import Any

from genlayer_core import start
from genlayer_core.storage.rules import InUse
from genlayer_core.types import Address

from .. import message
from ..storage import _RULES
from ..storage.root import Root
from ..types import UNSIGNED
from ..vm.public_abi import EntryKind
from ..vm.results import UserError
from .dispatch import DISPATCH

__all__ = ("DISPATCH", "EntryKind", "Root", "UNSIGNED", "UserError", "begin", "refusal")  # noqa: RUF022


def begin() -> None:
    """Show the start message as this line does, and refuse what it refuses."""
    vars(message).update(start.raw())
    InUse.rules = _RULES
    Address.takes_addresses = True
    Address.ZERO = Address(bytes(Address.SIZE))


def refusal(error: UserError) -> tuple[str, Any]:
    """The request that ends a VM with a user error, and its payload."""
    return "UserError", error.data

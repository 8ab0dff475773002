"""Lower-level calls (contract-sdk 11)."""

from __future__ import annotations

from typing import NoReturn

from genlayer_core import requests as _requests
from genlayer_core.event import emit_raw_event

__all__ = ("emit_raw_event", "user_error_immediate")


def user_error_immediate(reason: str) -> NoReturn:
    """End the VM with a user error at once: not catchable, nothing is unwound."""
    _requests.finish("Rollback", reason)

"""Replies of the modules: `{"ok": …}` or `{"error": …}` (contract-sdk 3.2 and 10)."""

from __future__ import annotations

from typing import Any

from genlayer_core import calldata
from genlayer_core.pictures import Image


class NondetException(Exception):
    """A module reported an error, typically `{"causes": […], "ctx": {…}}`."""


def module_value(reply: bytes) -> Any:
    """The value of a module's reply. Raises NondetException for an error."""
    answer = calldata.decode(reply)
    if error := answer.get("error"):
        raise NondetException(error)
    return answer["ok"]


__all__ = ("Image", "NondetException", "module_value")

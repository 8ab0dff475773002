"""The start message: each of its keys is an attribute, and `raw` is the map (contract-sdk-v03 8)."""

from __future__ import annotations

from typing import Any

from genlayer_core import start as _start

raw: dict[str, Any] = _start.raw()


def __getattr__(name: str) -> Any:
    try:
        return _start.field(name)
    except KeyError:
        raise AttributeError(f"module 'genlayer.message' has no attribute {name!r}") from None

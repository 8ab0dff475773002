"""Keeping a provider's key out of what that provider says."""

from __future__ import annotations

from genvm_module.values import REDACTED
from genvm_wire.masking import Mask


def mask_of(key: str) -> Mask:
    """For whatever somebody says who was told `key`."""
    return Mask([key], mask=REDACTED)

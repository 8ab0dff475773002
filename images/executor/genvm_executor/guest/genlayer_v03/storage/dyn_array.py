"""`DynArray` under upstream's name for its module."""

from .arrays import DynArray

__all__ = ("DynArray",)

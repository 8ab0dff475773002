"""`DynArray` under upstream's name for its module."""

from ._arrays import DynArray

__all__ = ("DynArray",)

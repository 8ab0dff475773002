"""`Array` under upstream's name for its module."""

from ._arrays import Array

__all__ = ("Array",)

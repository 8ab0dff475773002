"""`Array` under upstream's name for its module."""

from .arrays import Array

__all__ = ("Array",)

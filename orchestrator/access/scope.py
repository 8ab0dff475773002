"""What a token allows, least first. Pure."""

from __future__ import annotations

from enum import StrEnum


class Scope(StrEnum):
    """Each allows what those before it allow; `NONE` is of routes that need no token, never of a token."""

    NONE = "none"
    READ = "read"
    """look, without taking anything away"""
    NODE = "node"
    """run contracts and fetch their results"""
    OPERATOR = "operator"
    """change the manager, and see every namespace"""

    @property
    def rank(self) -> int:
        return _RANKS[self]

    def reaches(self, needed: Scope) -> bool:
        return _RANKS[self] >= _RANKS[needed]


_RANKS = {scope: rank for rank, scope in enumerate(Scope)}

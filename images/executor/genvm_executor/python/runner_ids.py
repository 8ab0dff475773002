"""Which library a Python runner's id stands for (contract-sdk-v03.md, 1).

The id is a hash of the package. Those of the first two lines are written in an alphabet without `e o t u`,
the later ones in GVM32, which has no `i l o u`: but for one in thirty, the 52 letters of a later hash show
its age.
"""

from __future__ import annotations

from enum import Enum

PYTHON_RUNNERS = frozenset({"py-genlayer", "py-genlayer-multi"})
_FIRST_ALPHABET_ONLY = frozenset("il")
_LATER_ALPHABET_ONLY = frozenset("et")
_LATER_IN_THE_FIRST_ALPHABET = frozenset({"1zr6nqk597d97kg0dyxg0shhrykx5v02zjgnyrajapy4wlqvfvwh"})
"""The first snapshot of the second generation was packed before the alphabet changed."""
ALIASES = frozenset({"test", "latest"})
"""The newest library of the executor in use; only in debug mode."""


class Generation(Enum):
    """The Python library behind a runner: `from genlayer import *`, or `import genlayer as gl`."""

    FIRST = "first"
    SECOND = "second"


def generation_of(package_hash: str) -> Generation:
    """The generation of a hash that is no alias."""
    letters = frozenset(package_hash)
    if package_hash in _LATER_IN_THE_FIRST_ALPHABET:
        return Generation.SECOND
    later = letters & _LATER_ALPHABET_ONLY and not letters & _FIRST_ALPHABET_ONLY
    return Generation.SECOND if later else Generation.FIRST

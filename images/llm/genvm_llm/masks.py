"""Keeping a provider's key out of what that provider says."""

from __future__ import annotations

import re

from genvm_module.values import REDACTED
from genvm_wire.masking import Mask

LONGEST_WORD, LONGEST_WORDS = 12, 20
"""Characters of each word, and of all with what joins them."""
LONGEST_NUMBER = 10
"""Digits."""
DOCUMENTED = frozenset({"token-abc123"})
"""Placeholders that servers' manuals print and that the rule does not know; this one is vLLM's."""

_WORD = rf"(?:[a-z]{{1,{LONGEST_WORD}}}|[A-Z]{{1,{LONGEST_WORD}}}|[A-Z][a-z]{{1,{LONGEST_WORD - 1}}})"
_WORDS = re.compile(rf"{_WORD}(?:[-_. ]{_WORD})*")
_NUMBER = re.compile(rf"[0-9]{{1,{LONGEST_NUMBER}}}")


def mask_of(key: str) -> Mask:
    """For the errors of somebody who was told `key`."""
    return Mask([key], mask=REDACTED)


def answer_mask_of(key: str) -> Mask:
    """For the answers: a placeholder is masked in none.

    Servers without keys take any, such as `lm-studio` or `password`. Those words stand in answers for what
    they mean, and nodes with other keys would read other answers.
    """
    return Mask() if is_placeholder(key) else mask_of(key)


def is_placeholder(key: str) -> bool:
    """Whether `key` is words or a small number, which keep no secret: no provider gives out such keys."""
    words = len(key) <= LONGEST_WORDS and _WORDS.fullmatch(key)
    return bool(words or _NUMBER.fullmatch(key)) or key in DOCUMENTED

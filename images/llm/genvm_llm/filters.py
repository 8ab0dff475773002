"""Text filters for prompts (modules 2.5). All are idempotent, and take time in proportion to the text.

Normalising puts a row of combining marks into order, at a cost that grows with the square of its length. So
rows are bounded first, as the Stream-Safe Text Format of UAX 15 does it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

from genvm_llm.control_tokens import defused

_BLANKS = re.compile(r"[^\S\n]+")
_AROUND_NEWLINE = re.compile(r" ?\n ?")
_MANY_NEWLINES = re.compile(r"\n{3,}")
_INVISIBLE = frozenset({"Mn", "Me", "Cf", "Cc"})
_BECOMES_SPACE = str.maketrans({"\t": " ", "\r": " "})


MOST_NON_STARTERS = 30
GRAPHEME_JOINER = "\u034f"
_FIRST_WITH_MARKS = "\u00c0"
"""No character before it is a combining mark or ends in one when it is decomposed."""


def stream_safe(text: str) -> str:
    """With U+034F after every thirty combining marks in a row, counted in compatibility decomposition."""
    if not text or max(text) < _FIRST_WITH_MARKS:
        return text
    safe: list[str] = []
    row = 0
    for char in text:
        if char < _FIRST_WITH_MARKS:
            row = 0
        else:
            leading, trailing, whole = _marks(char)
            if row + leading > MOST_NON_STARTERS:
                safe.append(GRAPHEME_JOINER)
                row = 0
            row = row + leading if whole else trailing
        safe.append(char)
    return "".join(safe)


@lru_cache(maxsize=65536)
def _marks(char: str) -> tuple[int, int, bool]:
    """How many marks a character begins and ends with, decomposed, and whether it is nothing else."""
    classes = [unicodedata.combining(part) for part in unicodedata.normalize("NFKD", char)]
    starters = [at for at, one in enumerate(classes) if one == 0]
    if not starters:
        return len(classes), len(classes), True
    return starters[0], len(classes) - 1 - starters[-1], False


def nfc(text: str) -> str:
    return unicodedata.normalize("NFC", stream_safe(text))


def nfkc(text: str) -> str:
    return unicodedata.normalize("NFKC", stream_safe(text))


def remove_zero_width(text: str) -> str:
    """Without characters that show nothing; tab and carriage return become spaces, lest words be glued."""
    return "".join(
        char for char in text.translate(_BECOMES_SPACE) if char == "\n" or not _shows_nothing(char)
    )


def _shows_nothing(char: str) -> bool:
    # The second half of conjoining Hangul has no width of its own.
    return unicodedata.category(char) in _INVISIBLE or "\u1160" <= char <= "\u11ff"


def normalize_whitespace(text: str) -> str:
    """Single spaces, none beside a newline or at an end, at most two newlines in a row, none in front."""
    text = _AROUND_NEWLINE.sub("\n", _BLANKS.sub(" ", text)).strip(" ")
    return _MANY_NEWLINES.sub("\n\n", text).lstrip("\n")


FILTERS: Mapping[str, Callable[[str], str]] = {
    "NFC": nfc,
    "NFKC": nfkc,
    "RmZeroWidth": remove_zero_width,
    "NormalizeWS": normalize_whitespace,
    "ControlTokens": defused,
}
PROMPT_FILTERS = ("NFKC", "RmZeroWidth", "NormalizeWS")
TEMPLATE_FILTERS = ("NFKC", "RmZeroWidth")
"""For the values in a template, which come from contracts as well; their layout may matter and stays."""

GUARD = ("ControlTokens",)
"""Behind all others, which could make such a token of something else."""


def apply(text: str, names: Sequence[str]) -> str:
    """`text` through the filters in order. Raises KeyError for an unknown one."""
    for name in names:
        text = FILTERS[name](text)
    return text

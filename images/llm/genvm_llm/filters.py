"""Text filters for prompts (modules.md, 2.5). All are idempotent."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence

_BLANKS = re.compile(r"[^\S\n]+")
_AROUND_NEWLINE = re.compile(r" ?\n ?")
_MANY_NEWLINES = re.compile(r"\n{3,}")
_INVISIBLE = frozenset({"Mn", "Me", "Cf", "Cc"})
_BECOMES_SPACE = str.maketrans({"\t": " ", "\r": " "})


def nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def nfkc(text: str) -> str:
    return unicodedata.normalize("NFKC", text)


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
}
PROMPT_FILTERS = ("NFKC", "RmZeroWidth", "NormalizeWS")
TEMPLATE_FILTERS = ("NFKC", "RmZeroWidth")
"""For the values in a template, which come from contracts as well; their layout may matter and stays."""


def apply(text: str, names: Sequence[str]) -> str:
    """`text` through the filters in order. Raises KeyError for an unknown one."""
    for name in names:
        text = FILTERS[name](text)
    return text

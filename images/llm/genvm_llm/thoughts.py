"""What reasoning models write before their answer (modules.md, correction 3)."""

from __future__ import annotations

END = "</think>"
OPENINGS = {
    "<thinking>": "</thinking>",
    "<thought>": "</thought>",
    "<reasoning>": "</reasoning>",
    "[THINK]": "[/THINK]",
}
"""Other spellings, which only count where the text begins with them."""


def without_thoughts(text: str) -> str:
    """`text` from behind the last `</think>`, or behind what it begins with in another spelling."""
    _, end, answer = text.rpartition(END)
    if end:
        return answer.lstrip()
    for opening, closing in OPENINGS.items():
        if text.lstrip().startswith(opening) and closing in text:
            return text.partition(closing)[2].lstrip()
    return text


def only_thoughts(text: str) -> bool:
    """Whether `text` begins to think and never says that it is done."""
    return text.lstrip().startswith(("<think>", *OPENINGS)) and without_thoughts(text) == text

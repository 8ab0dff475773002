"""Texts of refusals: whatever they quote, no answer is made of more than its reader can use."""

from __future__ import annotations

LONGEST = 2000
"""Characters. What a client sent may have 16 MiB, and six times that as JSON."""
CUT = "…"


def short(text: str) -> str:
    """`text`, cut where it is longer than anybody reads."""
    return text if len(text) <= LONGEST else text[: LONGEST - len(CUT)] + CUT

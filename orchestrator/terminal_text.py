"""Text of strangers on a terminal: what a contract says could move its cursor, or fill a clipboard."""

from __future__ import annotations

from typing import TextIO

_ALLOWED = "\n\t"


def harmless(text: str) -> str:
    """`text` with its control characters made visible: they could rewrite what somebody sees."""
    return "".join(
        character if character.isprintable() or character in _ALLOWED else ascii(character)[1:-1]
        for character in text
    )


def show(text: str, to: TextIO) -> None:
    """As it is into a pipe or a file; made harmless on a terminal."""
    to.write(harmless(text) if to.isatty() else text)
    to.flush()


def say(text: str, to: TextIO) -> None:
    """The same, as a line."""
    show(f"{text}\n", to)

"""Which marks stand within an object, and so mark nothing: somebody quotes them there."""

from __future__ import annotations

from genvm_llm.json_repair import end_of_brackets, repaired, strict_or_none

MOST_UNREADABLE = 16
"""Braces around a mark that are no object's: each costs a walk to the end, so no more are tried."""


class QuotingObjects:
    """The objects of a text, walked once from its left to its right.

    Works in time that grows with the text, whatever stands in it.
    """

    def __init__(self, text: str, begins: int) -> None:
        self._text = text
        self._unreadable = 0
        self._go_on(begins)

    def hold(self, at: int) -> bool:
        """Whether an object holds position `at`, which is not before the one that was asked for last."""
        while self._begins <= at and self._unreadable <= MOST_UNREADABLE:
            ends = self._find_end()
            if at < ends:
                return self._is_object()
            self._go_on(ends)
        return False

    def begin_at(self, position: int) -> None:
        """Everything before `position` was thoughts, and what began there."""
        if self._begins < position:
            self._go_on(position)

    def _go_on(self, begins: int) -> None:
        found = self._text.find("{", begins)
        self._begins = found if found >= 0 else len(self._text)
        self._ends: int | None = None
        self._readable: bool | None = None

    def _find_end(self) -> int:
        """Behind the object that is looked at; behind the text for one that nothing closes.

        Such a one quotes nothing: a page that thoughts quote could open it, and so hold their real end.
        """
        if self._ends is None:
            closed = end_of_brackets(self._text, self._begins)
            self._ends = closed or len(self._text)
            if closed is None:
                self._readable = False
                self._unreadable += 1
        return self._ends

    def _is_object(self) -> bool:
        if self._readable is None:
            self._readable = self._read()
            self._unreadable += not self._readable
        return self._readable

    def _read(self) -> bool:
        part = self._text[self._begins : self._ends]
        return isinstance(strict_or_none(repaired(part)), dict)

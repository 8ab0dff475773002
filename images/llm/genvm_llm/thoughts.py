"""What reasoning models write before their answer, and servers leave in it (modules.md, correction 3).

Vendors spell their marks anew with every model, but in few shapes: a tag or a token in bars that names
thinking, or a channel. So marks are known by shape, and only what has none of its own is listed.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from genvm_llm.json_repair import objects_in, repaired, strict_or_none, unfenced
from genvm_llm.quoting import QuotingObjects
from genvm_llm.turn_tokens import bare_answer, only_tokens

_TAG = r"(?:\w{1,16}[:|]|longcat_|deep_)?think(?:ing|_\w{1,16})?(?::\w{1,32})?"
"""Qwen, DeepSeek; Seed, MiniMax and LongCat with a name in front, K2 Horizon with the effort, Hunyuan 3 with
the release behind. A word in front, as in `critical_thinking`, is somebody's own.
"""
_PLAIN = "think"
"""Ends thoughts wherever it stands (modules.md, correction 3)."""
_THINKING = "(?:think(?:ing)?|thoughts?)"
_OF = "[_\u2581](?:of[_\u2581])?"
_MARKS = re.compile(
    rf"</(?P<closed>{_TAG})>|<(?P<opened>{_TAG})>|◁/think▷|<channel\|>"  # Kimi. Gemma.
    # Command A, OpenThinker, DeepSeek; Solar Open 2. Apertus.
    rf"|<[|\uff5c](?:/{_THINKING}|end{_OF}{_THINKING}|{_THINKING}[_:]end|inner_suffix)[|\uff5c]>"
    # Where the answer is a channel: Kimi K3, Harmony, Solar Open and Inkling, Muse.
    r"|<\|close\|>think<\|sep\|>"
    r"|<\|channel\|>final\s*(?:<\|constrain\|>\w{1,16}\s*)?<\|message\|>"
    r"|<\|content(?:_text)?\|>|to=user<\|message\|>",
    re.IGNORECASE,
)
_TURN = (
    r"\s*(?:(?:<\|(?:(?:im_)?start|begin)\|>\s*assistant|<[|\uff5c]assistant[|\uff5c]>)\s*"
    r"|<\|message_model\|>)?"
)
"""What opens a turn, which the servers of channels leave in, too."""
_BEGINNING = re.compile(
    rf"{_TURN}(?:<{_TAG}>|◁think▷|<\|channel>thought|<\|channel\|>analysis|<\|open\|>think<\|sep\|>"
    rf"|<[|\uff5c](?:{_THINKING}|(?:begin(?:ning)?|start){_OF}{_THINKING}|{_THINKING}[_:](?:start|begin)"
    r"|inner_prefix|content_thinking)[|\uff5c]>|to=self<\|message\|>)",
    re.IGNORECASE,
)


class _Pair(NamedTuple):
    """Marks that are also other people's words: they only count where the text begins with the first."""

    beginning: re.Pattern[str]
    marks: re.Pattern[str]
    prose: bool = False
    """Whoever begins so may also have gone on to the answer without a word."""

    def ends_in(self, text: str) -> bool:
        return any(mark["closed"] for mark in self.marks.finditer(text))


def _pair(opened: str, closed: str, *, prose: bool = False) -> _Pair:
    marks = re.compile(f"(?P<opened>{opened})|(?P<closed>{closed})", re.IGNORECASE)
    return _Pair(re.compile(_TURN + opened, re.IGNORECASE), marks, prose)


_PAIRS = (
    _pair("<thoughts?>", "</thoughts?>"),
    _pair("<reasoning>", "</reasoning>"),
    _pair(r"\[THINK\]", r"\[/THINK\]"),  # Magistral
    _pair(r"\[unused16\]", r"\[unused17\]"),  # openPangu
    _pair(r"/think\n", r"<\|im_end\|>\s*<\|im_start\|>assistant\b"),  # HyperCLOVA X
    _pair("here(?:['’]s| is) my thought process:", "here(?:['’]s| is) my response:", prose=True),  # Granite
)


class _Element(NamedTuple):
    """Thoughts in the midst of an answer, from where they open to behind where they end."""

    begins: int
    ends: int


class _Reading(NamedTuple):
    """Where a text's thoughts are."""

    begins: int
    """The answer, behind thoughts; 0 where none end."""
    elements: tuple[_Element, ...]
    """Thoughts within it, in order."""
    opened: int | None
    """Thoughts within it that nothing ends."""

    def answer(self, text: str) -> str:
        if not self.begins and not self.elements:
            return text
        begins = (self.begins, *(element.ends for element in self.elements))
        ends = (*(element.begins for element in self.elements), len(text))
        joined = "".join(text[begin:end] for begin, end in zip(begins, ends, strict=True)).lstrip()
        return joined.rstrip() if self.elements else joined


def without_thoughts(text: str) -> str:
    """`text` from behind the last end of thoughts, or behind what it begins with in another spelling."""
    return bare_answer(_read(text).answer(text))


def only_thoughts(text: str, *, finished: bool) -> bool:
    """Whether `text` begins to think and never says that it is done.

    `finished`: that its model ended by itself, which prose may do behind an answer that it did not announce.
    """
    pair = _pair_of(text)
    begins = _BEGINNING.match(text) or (pair and not (pair.prose and finished))
    return bool(begins) and not _read(text).begins


def ends_in_thoughts(text: str) -> bool:
    """Whether `text` begins to think behind a word that is no object, and does not say that it is done."""
    reading = _read(text)
    return reading.opened is not None and "{" not in text[reading.begins : reading.opened]


class _Reader:
    """Goes through a text's marks, from its left to its right."""

    def __init__(self, text: str) -> None:
        self._text = text
        pair = _pair_of(text)
        beginning = pair.beginning.match(text) if pair else _BEGINNING.match(text)
        self._thinks = beginning is not None
        self._begins = beginning.end() if beginning else 0
        self._marks = pair.marks if pair and pair.ends_in(text) else _MARKS
        self._quoting = QuotingObjects(text, self._begins)
        self._opened: dict[str, int] = {}
        self._elements: list[_Element] = []
        self._ends: list[tuple[int, int | None]] = []
        """Behind each end of thoughts; and where they opened, if that was behind the end before."""

    def read(self) -> _Reading:
        for mark in self._marks.finditer(self._text, self._begins):
            # No draft tells what a mark within it is worth.
            if (self._thinks and not self._ends) or not self._quoting.hold(mark.start()):
                self._take(mark)
        begins, elements = self._answer()
        return _Reading(begins, tuple(elements), min(self._opened.values(), default=None))

    def _take(self, mark: re.Match[str]) -> None:
        name = _name(mark)
        if mark["opened"]:
            self._opened.setdefault(name, mark.start())
            return
        opened = None if name == _PLAIN else self._opened.get(name)
        # Where thoughts have ended before, a page may have made them quote whatever opens an element.
        if opened is None or self._thinks or self._ends:
            self._end(mark.end(), opened)
            return
        while self._opened and next(reversed(self._opened.values())) >= opened:
            self._opened.popitem()
        while self._elements and self._elements[-1].begins > opened:
            self._elements.pop()
        self._elements.append(_Element(opened, mark.end()))

    def _end(self, behind: int, opened: int | None) -> None:
        """All that stands before position `behind` was thoughts."""
        self._ends.append((behind, opened))
        self._opened.clear()
        self._elements.clear()
        self._quoting.begin_at(behind)

    def _answer(self) -> tuple[int, list[_Element]]:
        """Where it begins, and its elements: one with nothing behind it was a part of the answer before."""
        last, limit = list[_Element](), len(self._text)
        while self._ends:
            begins, opened = self._ends.pop()
            if opened is None or not only_tokens(self._text, begins, limit):
                return begins, last[::-1]
            last.append(_Element(opened, limit))
            limit = opened
        if self._elements and self._drafted(limit):
            # Its model began to think in the prompt, and a page made it quote what opens thoughts.
            return self._elements[-1].ends, last[::-1]
        return 0, self._elements + last[::-1]

    def _drafted(self, ends: int) -> bool:
        """Whether an object that says something is all that stands behind the elements, and none began before
        them: that would have been the answer, and what it says of a page is behind it."""
        if unfenced(self._text[: self._elements[0].begins]).startswith("{"):
            return False
        behind = unfenced(bare_answer(self._text[self._elements[-1].ends : ends]))
        part, closed = next(objects_in(behind), ("", False))
        return closed and part == behind and strict_or_none(repaired(part)) not in (None, {})


def _name(mark: re.Match[str]) -> str:
    """What an opening and its end have in common; nothing where there is but one pair."""
    if mark.re is not _MARKS:
        return ""
    return (mark["opened"] or mark["closed"] or "").lower()


def _read(text: str) -> _Reading:
    return _Reader(text).read()


def _pair_of(text: str) -> _Pair | None:
    return next((pair for pair in _PAIRS if pair.beginning.match(text)), None)

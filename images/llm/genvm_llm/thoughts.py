"""What reasoning models write before their answer, and servers leave in it (modules.md, correction 3).

Vendors spell their marks anew with every model, but in few shapes: a tag or a token in bars that names
thinking, or a channel. So marks are known by shape, and only what has none of its own is listed.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from genvm_llm.json_repair import object_around, repaired, strict_or_none

_TAG = r"(?:\w{1,16}[:|]|longcat_|deep_)?think(?:ing|_\w{1,16})?(?::\w{1,32})?"
"""Qwen, DeepSeek; Seed, MiniMax and LongCat with a name in front, K2 Horizon with the effort, Hunyuan 3 with
the release behind. A word in front, as in `critical_thinking`, is somebody's own.
"""
_TAGS = re.compile(rf"<(/?)({_TAG})>", re.IGNORECASE)
MOST_QUOTED = 64
"""Marks that are looked at one by one; of more only the last counts."""
_PLAIN = "think"
"""Ends thoughts wherever it stands (modules.md, correction 3)."""
_THINKING = "(?:think(?:ing)?|thoughts?)"
_OF = "[_\u2581](?:of[_\u2581])?"
_END = re.compile(
    rf"</{_TAG}>|◁/think▷|<channel\|>"  # Kimi. Gemma.
    # Command A, OpenThinker, DeepSeek; Solar Open 2. Apertus.
    rf"|<[|\uff5c](?:/{_THINKING}|end{_OF}{_THINKING}|{_THINKING}[_:]end|inner_suffix)[|\uff5c]>"
    # Where the answer is a channel: Kimi K3, Harmony, Solar Open and Inkling, Muse.
    r"|<\|close\|>think<\|sep\|>"
    r"|<\|channel\|>final\s*(?:<\|constrain\|>\w{1,16}\s*)?<\|message\|>"
    r"|<\|content(?:_text)?\|>|to=user<\|message\|>",
    re.IGNORECASE,
)
_BEGINNING = re.compile(
    # Behind what opens a turn, which the servers of channels leave in, too.
    r"\s*(?:<\|(?:(?:im_)?start|begin)\|>\s*assistant\s*|<\|message_model\|>)?"
    rf"(?:<{_TAG}>|◁think▷|<\|channel>thought|<\|channel\|>analysis|<\|open\|>think<\|sep\|>"
    rf"|<[|\uff5c](?:{_THINKING}|(?:begin(?:ning)?|start){_OF}{_THINKING}|{_THINKING}[_:](?:start|begin)"
    r"|inner_prefix|content_thinking)[|\uff5c]>|to=self<\|message\|>)",
    re.IGNORECASE,
)
_AROUND_ANSWERS = re.compile(
    r"<\|(?:(?:begin|end)_of_(?:box|solution)|(?:START|END)_(?:RESPONSE|TEXT)|answer_(?:start|end))\|>"
    r"|<\|(?:open|close)\|>(?:response|message)<\|sep\|>"
)
"""GLM puts what it was asked for into a box, OpenThinker, Command A, Kimi K3 and others say where it is."""


class _Pair(NamedTuple):
    """Marks that are also other people's words: they only count where the text begins with the first."""

    opening: re.Pattern[str]
    closing: re.Pattern[str]
    prose: bool = False
    """Whoever begins so may also have gone on to the answer without a word."""


def _pair(opening: str, closing: str, *, prose: bool = False) -> _Pair:
    return _Pair(re.compile(rf"\s*{opening}", re.IGNORECASE), re.compile(closing, re.IGNORECASE), prose)


_PAIRS = (
    _pair("<thoughts?>", "</thoughts?>"),
    _pair("<reasoning>", "</reasoning>"),
    _pair(r"\[THINK\]", r"\[/THINK\]"),  # Magistral
    _pair(r"\[unused16\]", r"\[unused17\]"),  # openPangu
    _pair(r"/think\n", r"<\|im_end\|>\s*<\|im_start\|>assistant\b"),  # HyperCLOVA X
    _pair("here(?:['’]s| is) my thought process:", "here(?:['’]s| is) my response:", prose=True),  # Granite
)
ENDS_OF_TURNS = (
    "<end_of_turn>", "<turn|>", "<eos>", "<seed:eos>", "[e~[", "[|endofturn|]", "</s>", "</longcat_s>",
    "<end_of_sentence>", "<end_of_utterance>", "[unused10]",
)  # fmt: skip
"""What a server that does not know its model's tokens leaves behind an answer, beside tokens in bars."""
_END_IN_BARS = re.compile(
    r"<[|\uff5c](?:[^<>|\uff5c\s]{0,32}[_:\u2581])?"
    r"(?:end(?:of\w{1,16}|[_:\u2581][^<>|\uff5c\s]{1,32})?|eo[dmst](?:_id)?|return)[|\uff5c]>",
    re.IGNORECASE,
)
_LONGEST_IN_BARS = 100
_STRUCK_OUT = re.compile(r"<s(?:\s[^<>]*)?>")
"""HTML's element, whose end is spelled as Llama 2 and Mistral spell the end of a turn."""
_EITHER = re.compile(rf"{_STRUCK_OUT.pattern}|</s>")


def without_thoughts(text: str) -> str:
    """`text` from behind the last end of thoughts, or behind what it begins with in another spelling."""
    begins = _answer_begins(text)
    return _bare(text[begins:].lstrip() if begins else text)


def only_thoughts(text: str, *, finished: bool) -> bool:
    """Whether `text` begins to think and never says that it is done.

    `finished`: that its model ended by itself, which prose may do behind an answer that it did not announce.
    """
    pair = _pair_of(text)
    begins = _BEGINNING.match(text) or (pair and not (pair.prose and finished))
    return bool(begins) and not _answer_begins(text)


def quoted_end(text: str) -> int | None:
    """Where the last end of thoughts stands in a text that did not begin with any, and may quote it."""
    if _BEGINNING.match(text) or _pair_of(text):
        return None
    return max((found.start() for found in _END.finditer(text)), default=None)


def _answer_begins(text: str) -> int:
    """Where the answer begins behind thoughts; 0 where none end."""
    pair = _pair_of(text)
    if pair and (closed := pair.closing.search(text)):
        return closed.end()
    return _last_end(text)


def _last_end(text: str) -> int:
    """Behind the last mark that ends thoughts; 0 where there is none."""
    ends = _unquoted([found.span() for found in _END.finditer(text)], text)
    elements = _elements(text) if ends else frozenset()
    while ends:
        start, end = ends.pop()
        # With an answer behind it, it ended thoughts: a model may have said a word before them.
        if start not in elements or not _only_tokens(text, end):
            return end
    return 0


def _unquoted(ends: list[tuple[int, int]], text: str) -> list[tuple[int, int]]:
    """Without those that an object behind an earlier one quotes in a string."""
    if not 1 < len(ends) <= MOST_QUOTED:
        return ends
    kept, behind = ends[:1], 0
    for start, end in ends[1:]:
        behind = max(behind, kept[-1][1])
        quoting = object_around(text, start, behind)
        if quoting is None or not isinstance(strict_or_none(repaired(quoting)), dict):
            kept.append((start, end))
    return kept


def _elements(text: str) -> frozenset[int]:
    """Where tags end that a text has opened in its midst by itself: where nothing stands behind one, it was
    a part of the answer, and no end of thoughts.
    """
    opened: set[str] = set()
    closing: set[int] = set()
    begins = len(text) - len(text.lstrip())
    for found in _TAGS.finditer(text):
        name = found[2].lower()
        if not found[1]:
            if found.start() > begins:
                opened.add(name)
        elif name in opened and name != _PLAIN:
            closing.add(found.start())
    return frozenset(closing)


def _pair_of(text: str) -> _Pair | None:
    return next((pair for pair in _PAIRS if pair.opening.match(text)), None)


def _bare(text: str) -> str:
    bare, marks = _AROUND_ANSWERS.subn("", _without_ends_of_turns(text))
    return bare.strip() if marks else bare


def _without_ends_of_turns(text: str) -> str:
    """Positions move, not the text: there may be as many tokens as the answer has room for."""
    opened, closed = len(_STRUCK_OUT.findall(text)) - _begins_with_a_token(text), text.count("</s>")
    kept, end = len(text), len(text.rstrip())
    while found := _token_before(text, end):
        if found == "</s>":
            if opened >= closed:
                break
            closed -= 1
        end -= len(found)
        while end and text[end - 1].isspace():
            end -= 1
        kept = end
    return text[:kept]


def _begins_with_a_token(text: str) -> bool:
    """Whether the `<s>` that it begins with is what begins every text of theirs: no element that ends before
    the text does."""
    begins = len(text) - len(text.lstrip())
    if not text.startswith("<s>", begins):
        return False
    depth = 0
    for found in _EITHER.finditer(text, begins):
        depth += -1 if found[0] == "</s>" else 1
        if depth == 0:
            return _only_tokens(text, found.end())
    return True


def _only_tokens(text: str, begins: int) -> bool:
    """Whether nothing but tokens that end turns stands from `begins` on."""
    return not text[begins : _behind_tokens(text, begins)].strip()


def _behind_tokens(text: str, begins: int) -> int:
    """Where the text from `begins` on ends without tokens that end turns."""
    end = len(text.rstrip())
    while end > begins and (found := _token_before(text, end)):
        end -= len(found)
        while end > begins and text[end - 1].isspace():
            end -= 1
    return max(begins, end)


def _token_before(text: str, end: int) -> str | None:
    """The token that ends a turn and stands right before position `end`."""
    for token in ENDS_OF_TURNS:
        if text.endswith(token, 0, end):
            return token
    begins = text.rfind("<", max(0, end - _LONGEST_IN_BARS), end)
    found = _END_IN_BARS.fullmatch(text, begins, end) if begins >= 0 else None
    return found[0] if found else None

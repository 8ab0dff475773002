"""What servers leave around an answer that they do not know for tokens of their model."""

from __future__ import annotations

import re

_AROUND_ANSWERS = re.compile(
    r"<\|(?:(?:begin|end)_of_(?:box|solution)|(?:START|END)_(?:RESPONSE|TEXT)|answer_(?:start|end))\|>"
    r"|<\|(?:open|close)\|>(?:response|message)<\|sep\|>"
)
"""GLM puts what it was asked for into a box, OpenThinker, Command A, Kimi K3 and others say where it is."""
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


def bare_answer(text: str) -> str:
    """`text` without what stands around it, and without what ends its turn."""
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
            return only_tokens(text, found.end(), len(text))
    return True


def only_tokens(text: str, begins: int, ends: int) -> bool:
    """Whether nothing but tokens that end turns stands between the two."""
    while True:
        while ends > begins and text[ends - 1].isspace():
            ends -= 1
        if ends <= begins:
            return True
        if not (found := _token_before(text, ends)):
            return False
        ends -= len(found)


def _token_before(text: str, end: int) -> str | None:
    """The token that ends a turn and stands right before position `end`."""
    for token in ENDS_OF_TURNS:
        if text.endswith(token, 0, end):
            return token
    begins = text.rfind("<", max(0, end - _LONGEST_IN_BARS), end)
    found = _END_IN_BARS.fullmatch(text, begins, end) if begins >= 0 else None
    return found[0] if found else None

"""What reasoning models write before their answer, and servers leave in it (modules.md, correction 3)."""

from __future__ import annotations

import re

_END = re.compile(
    # Qwen, DeepSeek; with a name in front: Seed, MiniMax. Kimi. Gemma. Command A. Harmony, where the answer
    # is a channel.
    r"</(?:\w{1,16}:)?think>|◁/think▷|<channel\|>|<\|END_THINKING\|>"
    r"|<\|channel\|>final\s*(?:<\|constrain\|>\w{1,16}\s*)?<\|message\|>",
    re.IGNORECASE,
)
_BEGINNING = re.compile(
    # Behind what opens a turn, which Harmony's servers leave in, too.
    r"\s*(?:<\|(?:im_)?start\|>assistant\s*)?"
    r"(?:<(?:\w{1,16}:)?think>|◁think▷|<\|channel>thought|<\|START_THINKING\|>|<\|channel\|>analysis)",
    re.IGNORECASE,
)
_AROUND_ANSWERS = re.compile(r"<\|(?:begin_of_box|end_of_box|START_RESPONSE|END_RESPONSE)\|>")
"""GLM puts what it was asked for into a box, Command A says where its answer is."""
OPENINGS = {
    "<thinking>": "</thinking>",
    "<thought>": "</thought>",
    "<reasoning>": "</reasoning>",
    "[THINK]": "[/THINK]",
}
"""Other spellings, which only count where the text begins with them."""
ENDS_OF_TURNS = (
    "<|im_end|>", "<|end|>", "<|return|>", "<|eot_id|>", "<|eom_id|>", "<|end_of_text|>", "<|endoftext|>",
    "<|END_OF_TURN_TOKEN|>", "<end_of_turn>", "<turn|>", "<eos>", "<seed:eos>", "[e~[", "[|endofturn|]",
    "</s>",
)  # fmt: skip
"""What a server that does not know its model's tokens leaves behind an answer."""
_STRUCK_OUT = re.compile(r"<s(?:\s[^<>]*)?>")
"""HTML's element, whose end is spelled as Llama 2 and Mistral spell the end of a turn."""


def without_thoughts(text: str) -> str:
    """`text` from behind the last end of thoughts, or behind what it begins with in another spelling."""
    text = _bare(text)
    ends = list(_END.finditer(text))
    if ends:
        return text[ends[-1].end() :].lstrip()
    for opening, closing in OPENINGS.items():
        if text.lstrip().startswith(opening) and closing in text:
            return text.partition(closing)[2].lstrip()
    return text


def _bare(text: str) -> str:
    return _AROUND_ANSWERS.sub("", _without_end_of_turn(text))


def _without_end_of_turn(text: str) -> str:
    while (found := next(filter(text.rstrip().endswith, ENDS_OF_TURNS), None)) is not None:
        # At the very beginning it is the token that begins every text of theirs.
        struck_out = _STRUCK_OUT.findall(text.lstrip().removeprefix("<s>"))
        if found == "</s>" and len(struck_out) >= text.count("</s>"):
            return text
        text = text.rstrip().removesuffix(found).rstrip()
    return text


def only_thoughts(text: str) -> bool:
    """Whether `text` begins to think and never says that it is done."""
    begins = _BEGINNING.match(text) or text.lstrip().startswith(tuple(OPENINGS))
    return bool(begins) and without_thoughts(text) == _bare(text)

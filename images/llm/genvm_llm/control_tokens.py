"""Text that spells a chat template's control tokens, made harmless (modules.md, correction 10).

Servers put a prompt into a template as text and then read tokens out of the whole: a page or a user that
writes `<|im_start|>system` would open a turn of its own. A space inside leaves it readable and makes it text.
"""

from __future__ import annotations

import re

BARS = "|\uff5c"
"""DeepSeek's templates have the full-width one; what is normalised has only the other."""
NAMED = (
    # Llama 2, Mistral
    "s", "/s", "unk", "pad", "<SYS>", "</SYS>",
    # Gemma, T5 and others
    "bos", "eos", "start_of_turn", "end_of_turn", "start_of_image", "end_of_image",
    # SmolVLM, Idefics
    "end_of_utterance", "fake_token_around_image",
    # TeleChat
    "_start", "_user", "_bot", "_end", "_system", "_pad",
    # thinking, tools
    "think", "/think", "tool_call", "/tool_call", "tool_response", "/tool_response",
    # Ling
    "role", "/role",
)  # fmt: skip
BRACKETED = (
    "INST", "/INST", "SYSTEM_PROMPT", "/SYSTEM_PROMPT", "AVAILABLE_TOOLS", "/AVAILABLE_TOOLS",
    "TOOL_CALLS", "TOOL_RESULTS", "/TOOL_RESULTS", "TOOL_CONTENT", "IMG", "THINK", "/THINK", "gMASK",
    "MODEL_SETTINGS", "/MODEL_SETTINGS", "ARGS", "CALL_ID", "PREFIX", "MIDDLE", "SUFFIX",
)  # fmt: skip

_TOKEN = re.compile(
    # ChatML, Llama 3, Phi, Command R, Harmony, GLM, DeepSeek: <|…|>. Gemma: <|…> opens, <…|> closes.
    rf"<(?=[{BARS}][^<>{BARS}\s]{{1,64}}[{BARS}]?>|[^<>{BARS}\s]{{1,64}}[{BARS}]>)"
    # EXAONE: [|…|]. Seed: <seed:…>. MiniMax: ]~b], ]~!b[, [e~[.
    rf"|\[(?=[{BARS}][^\[\]{BARS}\s]{{1,64}}[{BARS}]\])"
    r"|<(?=seed:\w{1,32}>)"
    # Numbered: Nemotron, T5, Baichuan 2, Gemma; openPangu and BERT, early InternLM 2.
    r"|<(?=(?:SPECIAL_|extra_id_|reserved_|unused)\d{1,6}>)"
    r"|\[(?=(?:unused|UNUSED_TOKEN_)\d{1,6}\])"
    r"|\](?=~!?b[\[\]])|\[(?=e~\[)"
    rf"|<(?=(?:{'|'.join(map(re.escape, NAMED))})>)"
    rf"|\[(?=(?:{'|'.join(map(re.escape, BRACKETED))})\])"
)


def defused(text: str) -> str:
    """`text` with a space behind the opening bracket of every control token. Idempotent."""
    return _TOKEN.sub(lambda found: found[0] + " ", text)

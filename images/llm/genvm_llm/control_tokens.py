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
    # Gemma, T5, Reka, ChatGLM, CPM, InternLM 1
    "bos", "eos", "sep", "sop", "eop", "eod", "eoh", "eoa",
    # SmolVLM, Idefics
    "fake_token_around_image",
    # TeleChat
    "_start", "_user", "_bot", "_end", "_system", "_observation", "_pad",
    # NexusRaven; MiniCPM
    "human_end", "bot_end", "用户", "AI",
    # Ling
    "role", "/role",
)  # fmt: skip
BRACKETED = (
    "INST", "/INST", "SYSTEM_PROMPT", "/SYSTEM_PROMPT", "AVAILABLE_TOOLS", "/AVAILABLE_TOOLS",
    "TOOL_CALLS", "TOOL_RESULTS", "/TOOL_RESULTS", "TOOL_CONTENT", "IMG", "THINK", "/THINK", "gMASK",
    "MODEL_SETTINGS", "/MODEL_SETTINGS", "ARGS", "CALL_ID", "PREFIX", "MIDDLE", "SUFFIX",
    # Kimi, YandexGPT
    "BOS", "EOS", "EOT", "SEP",
)  # fmt: skip

_TOKEN = re.compile(
    # ChatML, Llama 3, Phi, Command R, Harmony, GLM, DeepSeek: <|…|>. Gemma: <|…> opens, <…|> closes.
    rf"<(?=[{BARS}][^<>{BARS}\s]{{1,64}}[{BARS}]?>|[^<>{BARS}\s]{{1,64}}[{BARS}]>)"
    # EXAONE: [|…|]. MiniMax: ]~b], ]~!b[, [e~[.
    rf"|\[(?=[{BARS}][^\[\]{BARS}\s]{{1,64}}[{BARS}]\])"
    r"|\](?=~!?b[\[\]])|\[(?=e~\[)"
    # With a vendor's name in front: Seed, MiniMax M2, LongCat, K2 Horizon.
    r"|<(?=/?(?:(?:seed|minimax):|longcat_|ifm\|)\w{1,32}>)"
    # Thinking and tools, the former with anybody's name in front; Hunyuan 3 has its release behind both.
    r"|<(?=/?(?:(?:\w{1,16}:)?think|tool_(?:call|response))(?::\w{1,32})?>)"
    r"|<(?=/?(?:tool_(?:calls|responses|sep)|arg_key|arg_value):\w{1,32}>)"
    # What is begun and ended: Gemma, Idefics, MiniMax Text; FunctionGemma.
    r"|<(?=(?:start|begin|beginning|end)_of_(?:turn|text|sentence|document|utterance|role|image|audio|video)>)"
    r"|<(?=(?:start|end)_function_(?:declaration|call|response)>)"
    # Numbered: Nemotron, T5, Baichuan 2, Gemma, Gemini; openPangu and BERT, early InternLM 2.
    r"|<(?=(?:SPECIAL_|extra_id_|reserved_|reserved_token_|unused|ctrl)\d{1,6}>)"
    r"|\[(?=(?:unused|UNUSED_TOKEN_)\d{1,6}\])"
    rf"|<(?=(?:{'|'.join(map(re.escape, NAMED))})>)"
    rf"|\[(?=(?:{'|'.join(map(re.escape, BRACKETED))})\])"
)
"""By shape where no page and no XML is written so; `<system>`, `<user>` or `<image>` are honest tags."""


def defused(text: str) -> str:
    """`text` with a space behind the opening bracket of every control token. Idempotent."""
    return _TOKEN.sub(lambda found: found[0] + " ", text)

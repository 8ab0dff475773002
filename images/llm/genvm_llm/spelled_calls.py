"""Calls of tools that a model wrote as text, and its server left there, as it knows no call of that spelling.

Nobody offered a tool, so that is no answer (modules.md, correction 2). What a text mentions later is prose.
"""

from __future__ import annotations

import re

_TURN = (
    r"\s*+(?:<\|(?:(?:im_)?start|begin)\|>\s*assistant\b|<\|assistant\|>|<s>"
    r"|<\|message_model\|>\w{0,64})?\s*+"
)
_CALLS = r"(?:tool|function)[_\u2581]?calls?"
_OPENING = re.compile(
    _TURN + "(?:"
    # Hermes, Qwen, GLM, Granite, Nemotron; with a name in front Seed, MiniMax, LongCat, FunctionGemma; with
    # its release behind Hunyuan 3.
    rf"<(?:\w{{1,16}}[:|]|longcat_|start_)?{_CALLS}(?::\w{{1,32}})?>"
    # Qwen Coder and Llama; Step, MiniMax.
    r"|<function=\w|<(?:\w{1,16}:)?invoke\s+name="
    # DeepSeek, Kimi K2, Granite, LFM, Gemma; Llama, Apertus, Command A, InternLM, Inkling; Kimi K3.
    rf"|<[|\uff5c](?:DSML[|\uff5c])?{_CALLS}[^<>|\uff5c\s]{{0,32}}[|\uff5c]?>"
    r"|<\|(?:python_(?:tag|start)|tools_prefix|start_action|action_start|content_invoke_tool_\w{1,16})\|>"
    r"|<\|open\|>(?:tools|call)\b"
    # Mistral. Phi. Gemini.
    r"|\[TOOL_CALLS\]|functools\[\s*\{|```tool_(?:code|calls?)\b"
    # Harmony whose tokens were taken out.
    r"|commentary\s+to=functions\."
    # Prose that begins with a mark goes on in words.
    r")(?![^\S\n]+[a-z]+[^\S\n]+[a-z])",
    re.IGNORECASE,
)
_CHANNELS_CALL = re.compile(
    # Channels that end before; then one whose recipient is no person: Harmony, Muse.
    r"\s*+(?:(?:<\|start\|>assistant\s*)?<\|channel\|>\w{1,16}\s*<\|message\|>"
    r"[^<]*+(?:<(?!\|(?:end|start|channel)\|>)[^<]*+)*+<\|end\|>\s*)*+"
    r"(?:<\|start\|>assistant\s*)?(?:<\|channel\|>\w{1,16}\s*)?to=(?!(?:user|self)\b)[\w.]{1,200}(?:\s+\w{1,16})?\s*<\|",
    re.IGNORECASE,
)


def begins_with_call(text: str) -> bool:
    """Whether `text`, without the thoughts before it, begins to call a tool."""
    return bool(_OPENING.match(text) or _CHANNELS_CALL.match(text))

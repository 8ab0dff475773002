"""Why a model stopped, in the words of all providers and what they mean (modules.md, correction 2)."""

from __future__ import annotations

import re
from enum import Enum


class Ending(Enum):
    NATURAL = "natural"
    LENGTH = "length"
    """A bound on tokens, ours or the model's."""
    TOOL = "tool"
    REFUSED = "refused"
    BROKEN = "broken"
    """The server gave up in the middle."""
    UNTOLD = "untold"
    UNKNOWN = "unknown"


_WORDS = {
    Ending.NATURAL: (
        "stop", "end", "end_turn", "end_of_turn", "stop_sequence", "eos", "eos_token", "complete",
        "completed",
    ),
    Ending.LENGTH: (
        "length", "max_tokens", "max_output_tokens", "max_completion_tokens", "max_new_tokens", "max_length",
        "model_length", "model_context_window_exceeded",
    ),
    Ending.TOOL: ("tool_call", "tool_calls", "tool_use", "function_call", "unexpected_tool_call"),
    Ending.REFUSED: (
        "content_filter", "safety", "recitation", "blocklist", "prohibited_content", "spii", "language",
        "refusal", "sensitive", "image_safety", "image_prohibited_content", "image_recitation", "model_armor",
        "guardrail_intervened", "content_filtered", "error_toxic",
    ),
    Ending.BROKEN: (
        "error", "abort", "aborted", "cancelled", "other", "malformed_function_call", "network_error",
        "insufficient_system_resource", "pause_turn", "load", "unload", "function_call_filter",
        "malformed_response", "too_many_tool_calls", "timeout", "no_image", "image_other",
        "missing_thought_signature",
    ),
    Ending.UNTOLD: ("", "null", "unspecified"),
}  # fmt: skip
_MEANING = {word: ending for ending, words in _WORDS.items() for word in words}
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")
_WORD = re.compile(r"[a-z_]+")
_ENUM = re.compile(r"\A(?:finish|stop|done)_reason(?:_|\Z)")
"""What a word begins with where a client wrote down its own constant (`FinishReason.SAFETY`)."""
_REFUSES = re.compile(
    r"content[_ ]?(?:filter|policy|management|violation)|safety|moderat|blocked|blocklist|prohibited|refus"
    r"|guardrail|toxic|sensitive|censor|inappropriate|flagged"
)
"""In a word that nobody has listed: filters are many, and the text before their end is no answer."""
_BREAKS = re.compile(r"error|fail|abort|cancel|interrupt|malformed")


def word_of(reason: object) -> str:
    """A provider's own word for why a model stopped; empty where it has none.

    SGLang's own form is an object around it (`{"type": "length", "length": 9}`).
    """
    if isinstance(reason, dict):
        reason = reason.get("type")
    return reason if isinstance(reason, str) else ""


def ending_of(reason: object) -> Ending:
    """Of a `finish_reason`, `stop_reason`, `finishReason` or `done_reason`, in whichever spelling.

    Some servers say it with a second word behind the first (`content_filter: SAFETY`).
    """
    if reason is None:
        return Ending.UNTOLD
    text = word_of(reason) if isinstance(reason, dict) else str(reason)
    text = _HUMP.sub("_", text).lower().replace("-", "_")
    words = [word for found in _WORD.findall(text) if (word := _ENUM.sub("", found).strip("_"))]
    meanings = [_MEANING.get(word) for word in words] or [_MEANING.get(text)]
    if Ending.REFUSED in meanings or _REFUSES.search(text):
        return Ending.REFUSED
    return meanings[0] or (Ending.BROKEN if _BREAKS.search(text) else Ending.UNKNOWN)

"""Why a model stopped, in the words of all providers and what they mean (modules.md, correction 2)."""

from __future__ import annotations

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
    Ending.NATURAL: ("stop", "end_turn", "stop_sequence", "eos", "eos_token", "complete", "completed"),
    Ending.LENGTH: ("length", "max_tokens", "model_length", "model_context_window_exceeded"),
    Ending.TOOL: ("tool_calls", "tool_use", "function_call", "unexpected_tool_call"),
    Ending.REFUSED: (
        "content_filter", "safety", "recitation", "blocklist", "prohibited_content", "spii", "language",
        "refusal", "sensitive", "image_safety", "guardrail_intervened",
    ),
    Ending.BROKEN: (
        "error", "abort", "aborted", "cancelled", "other", "malformed_function_call", "network_error",
        "insufficient_system_resource", "pause_turn", "load", "unload",
    ),
    Ending.UNTOLD: ("", "null", "finish_reason_unspecified"),
}  # fmt: skip
_MEANING = {word: ending for ending, words in _WORDS.items() for word in words}


def ending_of(reason: object) -> Ending:
    """Of a `finish_reason`, `stop_reason`, `finishReason` or `done_reason`."""
    if reason is None:
        return Ending.UNTOLD
    return _MEANING.get(str(reason).lower(), Ending.UNKNOWN)

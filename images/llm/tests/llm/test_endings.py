"""Why a model stopped is known in whichever spelling (modules.md, correction 2)."""

from __future__ import annotations

import pytest

from genvm_llm.providers.endings import Ending, ending_of

SPELLED: dict[Ending, list[object]] = {
    Ending.NATURAL: [
        "stop", "STOP", "FinishReason.STOP", "FINISH_REASON_STOP", "<FinishReason.STOP: 1>", "end-turn",
        "endTurn", "StopReason.END_TURN", "finish_reason.stop",
    ],
    Ending.LENGTH: ["max-tokens", "maxTokens", "FinishReason.FINISH_REASON_MAX_TOKENS"],
    Ending.TOOL: ["tool-calls", "toolUse", "FinishReason.TOOL_CALLS", "TOOL_CALL"],
    Ending.REFUSED: [
        "content-filter", "contentFilter", "content filter", "content_filter_error", "stop: content_filter",
        "finish_reason.content_filter", "FinishReason.SAFETY", "FinishReason.PROHIBITED_CONTENT",
        "RECITATION", "SAFETY_BLOCK", "blocked", "moderation", "guardrail_blocked", "flagged_by_moderation",
        "policy: SPII",
    ],
    Ending.BROKEN: [
        "NO_IMAGE", "IMAGE_OTHER", "FinishReason.OTHER", "MISSING_THOUGHT_SIGNATURE", "connection_error",
        "function_call_filter: MALFORMED_FUNCTION_CALL", "malformed_tool_use", "failed",
        "interrupted", "canceled",
    ],
    Ending.UNTOLD: [None, "", "null", "FINISH_REASON_UNSPECIFIED", "FinishReason.FINISH_REASON_UNSPECIFIED"],
    Ending.UNKNOWN: ["done-ish", 1, False, "1"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("word", "ending"), [(word, ending) for ending, words in SPELLED.items() for word in words]
)
def test_a_word_means_the_same_in_whichever_spelling(word: object, ending: Ending) -> None:
    assert ending_of(word) is ending

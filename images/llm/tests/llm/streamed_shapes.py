"""What servers answer in pieces although nobody asked for a stream: each as its whole would be meant."""

from __future__ import annotations

import json
from typing import Any

from .answer_shapes import (
    CUT_OFF,
    LIMITED,
    NO_ANSWER,
    NO_JSON,
    OPEN,
    REFUSED,
    TOOL_CALLS,
    UNKNOWN,
    USAGE,
    YES,
    Shape,
    chat,
    said,
)


def streamed(*pieces: Any) -> str:
    """Events, as servers send them that stream whatever is asked for."""
    return "".join(f"data: {one if isinstance(one, str) else json.dumps(one)}\n\n" for one in pieces)


def chunk(text: Any, finish: Any = None, **more: Any) -> Any:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
    return {"object": "chat.completion.chunk", "choices": [choice], **more}


def choice(piece: Any, **more: Any) -> Any:
    """`piece` with further members of its choice."""
    piece["choices"][0] |= more
    return piece


def called(**call: Any) -> Any:
    return choice(chunk(None), delta={"function_call": call})


def message(content: Any, finish: Any = None, **more: Any) -> Any:
    """A piece with a message in place of its delta."""
    return chat(finish, None, content=content) | more


END = chunk("", "stop")
BEGUN = (chunk('{"reason": "same", '), chunk('"result": true}'))
STREAMED = {
    "a stream": Shape(
        streamed(
            chunk('{"reason": "same", '),
            chunk('"result": true}'),
            chunk("", "stop"),
            {"choices": [], "usage": USAGE},
            "[DONE]",
        ),
        YES,
        YES,
        True,
    ),
    "a stream of parts": Shape(
        streamed(
            chunk([{"type": "thinking", "thinking": [said("hm")]}]), chunk([said(YES)]), chunk("", "stop")
        ),
        YES,
        YES,
        True,
    ),
    "a stream of one part, thoughts": Shape(
        streamed(chunk([{"type": "thinking", "thinking": [said("hm")]}]), chunk("", "length")), CUT_OFF
    ),
    "a stream of one part, a summary of thoughts": Shape(
        streamed(chunk([{"type": "reasoning", "summary": [said("hm")]}]), END), NO_ANSWER
    ),
    "a stream of one part without a type": Shape(
        streamed(chunk([{"text": "hello"}]), END), "hello", NO_JSON, OPEN
    ),
    "a stream, one part in a message": Shape(
        streamed(message([said(YES)], "stop"), {"choices": [], "usage": USAGE}), YES, YES, True
    ),
    "a stream, its answer once more without thoughts": Shape(
        streamed(chunk("<think>hm</think>"), *BEGUN, message(YES, "stop")), YES, YES, True
    ),
    "a stream, its answer once more before its end": Shape(
        streamed(*BEGUN, message(YES), END), YES, YES, True
    ),
    "a stream, a blank message for its end": Shape(
        streamed(*BEGUN, choice(message("\n", "stop"), delta=None)), YES + "\n", YES, True
    ),
    "a stream, its answer once more with other blanks": Shape(
        streamed(*BEGUN, message(YES.replace(" ", "  "), "stop")),
        YES.replace(" ", "  "),
        YES.replace(" ", "  "),
        True,
    ),
    "a stream, less in the message beside its end": Shape(
        streamed(
            choice(chunk("Yes [1]"), message={"content": "Yes [1]"}),
            choice(chunk("", "stop"), message={"content": "Yes"}),
        ),
        "Yes [1]",
        NO_JSON,
        OPEN,
    ),
    "a stream of strange line ends": Shape(
        streamed(json.dumps(chunk("a\u2028b\x85c\x0c", "stop"), ensure_ascii=False), "[DONE]"),
        "a\u2028b\x85c\x0c",
        NO_JSON,
        OPEN,
    ),
    "a stream that broke off": Shape(streamed(chunk(YES)), NO_ANSWER),
    "a stream that never says why it ends": Shape(streamed(chunk(YES), "[DONE]"), YES, YES, True),
    "a stream, no reasons in its pieces": Shape(
        streamed(chunk(YES, ""), chunk("", "") | {"usage": USAGE}, "[DONE]"), YES, YES, True
    ),
    "a stream, null for a reason": Shape(streamed(chunk(YES, "null"), "[DONE]"), YES, YES, True),
    "a stream, no reasons, that broke off": Shape(streamed(chunk(YES, "")), NO_ANSWER),
    "a stream, null for a reason, that broke off": Shape(streamed(chunk(YES, "null")), NO_ANSWER),
    "a stream of nothing that never says why it ends": Shape(streamed(chunk(""), "[DONE]"), NO_ANSWER),
    "a stream, a code alone before its end": Shape(
        streamed(chunk(YES), {"code": 429, "msg": "x"}, "[DONE]"), LIMITED
    ),
    "a stream, no reasons, a code alone": Shape(
        streamed(chunk(YES, ""), {"code": 429, "msg": "x"}, "[DONE]"), LIMITED
    ),
    "a stream that ends with an error": Shape(streamed(chunk(YES), {"error": {"code": 429}}), LIMITED),
    "a stream that refuses": Shape(streamed(chunk("I", "content_filter"), "[DONE]"), REFUSED),
    "a stream of one whole answer": Shape(streamed(chat(content=YES), "[DONE]"), YES, YES, True),
    "a stream, an empty event": Shape("data:\n\n" + streamed(chunk(YES), END) + "data: \n\n", YES, YES, True),
    "a stream, a piece with words of faults": Shape(
        streamed({"id": "a", "message": "connected, timeout 30s"}, chunk(YES, "stop"), "[DONE]"),
        YES,
        YES,
        True,
    ),
    "a stream, a piece with words of faults beside a whole answer": Shape(
        streamed({"id": "a", "message": "connected, timeout 30s"}, chat(content=YES), "[DONE]"),
        YES,
        YES,
        True,
    ),
    "a stream, a message beside each piece, that broke off": Shape(
        streamed(choice(chunk("Par"), message={"role": "assistant", "content": "Par"})), NO_ANSWER
    ),
    "a stream, an empty message in its last piece": Shape(
        streamed(chunk(YES), choice(chunk("", "stop"), message={"role": "assistant", "content": ""})),
        YES,
        YES,
        True,
    ),
    "a stream, a whole answer behind its beginning": Shape(
        streamed(chunk(""), chat(content=YES), "[DONE]"), YES, YES, True
    ),
    "a stream, an empty message for its end": Shape(
        streamed(*BEGUN, message("", "stop", usage=USAGE), "[DONE]"), YES, YES, True
    ),
    "a stream, null in a message for its end": Shape(
        streamed(*BEGUN, message(None, "stop", usage=USAGE)), YES, YES, True
    ),
    "a stream, a message of nothing for its end": Shape(
        streamed(*BEGUN, {"choices": [{"message": {}, "finish_reason": "stop"}]}), YES, YES, True
    ),
    "a stream, a message for its beginning": Shape(
        streamed(message('{"reason": "same", '), BEGUN[1], END), YES, YES, True
    ),
    "a stream, a message for its last piece": Shape(
        streamed(BEGUN[0], message('"result": true}', "stop")), YES, YES, True
    ),
    "a stream, all of it once more in its last piece": Shape(
        streamed(chunk("\n"), *BEGUN, message(YES, "stop")), YES, YES, True
    ),
    "a stream, all of it beside a last piece of nothing": Shape(
        streamed(chunk(""), choice(chunk("", "stop"), message={"content": YES})), YES, YES, True
    ),
    "a stream, parts and a message for its last piece": Shape(
        streamed(chunk([said('{"reason": "same", ')]), message('"result": true}'), END), YES, YES, True
    ),
    "a stream, parts and all of them in a message": Shape(
        streamed(*(chunk([said(one)]) for one in (YES[:9], YES[9:])), message([said(YES)]), END),
        YES,
        YES,
        True,
    ),
    "a stream, its last characters twice, in a message": Shape(
        streamed(chunk("It is 1"), chunk("0"), message("0", "stop")), "It is 100", NO_JSON, OPEN
    ),
    "a stream, all but thoughts in a message before its end": Shape(
        streamed(chunk("<think>hm</think>"), *BEGUN, message(YES), END), YES, YES, True
    ),
    "a stream, all until then in each message": Shape(
        streamed(message(YES[:9]), message(YES[:20]), message(YES, "stop")), YES, YES, True
    ),
    "a stream of several answers": Shape(streamed(message(YES, "stop"), message("No.", "stop")), UNKNOWN),
    "a stream, usage behind a whole answer": Shape(
        streamed(message(YES, "stop"), {"choices": [], "usage": USAGE}, "[DONE]"), YES, YES, True
    ),
    "a stream, usage behind an answer that says no reason": Shape(
        streamed(message(YES), {"choices": [], "usage": USAGE}), YES, YES, True
    ),
    "a stream, filtered behind a whole answer": Shape(
        streamed(message(YES), chunk("", "content_filter")), REFUSED
    ),
    "a stream, a tool's call in a message": Shape(
        streamed(chat(content=None, tool_calls=TOOL_CALLS), {"choices": [], "usage": USAGE}), NO_ANSWER
    ),
    "a stream that was broken off, a code alone": Shape(
        streamed(chunk("The", "abort"), {"code": 429, "msg": "x"}), LIMITED
    ),
    "a stream, false for a reason, a code alone": Shape(
        streamed(chunk("The", False), {"code": 429, "msg": "x"}), LIMITED
    ),
    "a stream, an error object of vLLM": Shape(
        streamed(chunk(YES), {"object": "error", "code": 429}), LIMITED
    ),
    "a stream, a code alone": Shape(streamed(chunk(YES), {"code": 429, "msg": "x"}), LIMITED),
    "a stream, an error that says that all is well": Shape(
        streamed(chunk(YES), END | {"error": {"code": 0, "message": "success"}}), YES, YES, True
    ),
    "a stream, MiniMax": Shape(
        streamed(chunk(YES), {"base_resp": {"status_code": 1002, "status_msg": "rate limit"}}), LIMITED
    ),
    "a stream, an event that is an error": Shape(
        streamed(chunk(YES)) + 'event: error\ndata: {"code": 429, "message": "slow"}\n\n', LIMITED
    ),
    "a stream, an event that is an error in words": Shape(
        streamed(chunk(YES)) + "event: error\ndata: Rate limit exceeded\n\n", LIMITED
    ),
    "a stream, an event that is an error with its own member": Shape(
        streamed(chunk(YES)) + 'event: error\ndata: {"error": {"code": 429}}\n\n', LIMITED
    ),
    "a stream, an event that says nothing of its error": Shape(
        streamed(chunk(YES)) + "event: error\ndata: {}\n\n", UNKNOWN
    ),
    "a stream, named events": Shape(
        "".join(f"event: message\n{streamed(one)}" for one in (chunk(YES), END)), YES, YES, True
    ),
    "a stream, an error in the choice": Shape(
        streamed(chunk(YES), choice(chunk("", "error"), error={"code": 429})), LIMITED
    ),
    "a stream, filtered behind a router": Shape(
        streamed(chunk("The"), choice(chunk("", "stop"), native_finish_reason="SAFETY")), REFUSED
    ),
    "a stream, filtered by Azure in its midst": Shape(
        streamed(
            choice(chunk("The"), content_filter_results={"hate": {"filtered": True}}),
            choice(chunk(" cap", "stop"), content_filter_results={"hate": {"filtered": False}}),
        ),
        REFUSED,
    ),
    "a stream, let through by Azure": Shape(
        streamed(choice(chunk(YES, "stop"), content_filter_results={"hate": {"filtered": False}})),
        YES,
        YES,
        True,
    ),
    "a stream, a function's call": Shape(
        streamed(called(name="f", arguments=""), called(arguments=YES), END | {"usage": {"total_tokens": 1}}),
        NO_ANSWER,
    ),
    "a stream, a tool's call": Shape(
        streamed(choice(chunk(None), delta={"tool_calls": TOOL_CALLS}), END), NO_ANSWER
    ),
    "a stream, no function's call": Shape(
        streamed(chunk(YES), called(name="", arguments=""), END), YES, YES, True
    ),
    "a stream, thoughts until the end": Shape(streamed(chunk("<think>"), chunk(YES, "length")), CUT_OFF),
}

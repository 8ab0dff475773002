"""What providers answer under status 200, and how each is meant (modules.md, corrections 2 and 3).

A shape is a body and what it gives for text, JSON and a decision: an answer, or how the attempt failed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from .provider_server import anthropic_reply, google_reply, ollama_reply, openai_reply


@dataclass(frozen=True)
class Failed:
    """`kind` as counted; `open`: a decision without a boolean, false where nobody else is left."""

    kind: str
    open: bool = False


@dataclass(frozen=True)
class Shape:
    body: Any
    text: Any
    json: Any = None
    decision: Any = None

    def expected(self, form: str) -> Any:
        """Shapes that are no answer at all are told once."""
        found = {"text": self.text, "json": self.json, "bool": self.decision}[form]
        return self.text if found is None else found


NO_JSON = Failed("unparsable")
OPEN = Failed("unparsable", open=True)
UNKNOWN, LIMITED, REFUSED = Failed("unknown"), Failed("rate_limit"), Failed("refused")
SERVER_ERROR = Failed("server_error")
CUT_OFF, NO_ANSWER = Failed("cut_off"), Failed("no_answer")
USAGE = {"prompt_tokens": 11, "completion_tokens": 5, "total_tokens": 16}
YES = '{"reason": "same", "result": true}'
TOOL_CALLS = [{"id": "c", "type": "function", "function": {"name": "f", "arguments": YES}}]


def chat(finish: Any = "stop", usage: Any = USAGE, **message: Any) -> Any:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    return {"object": "chat.completion", "choices": [choice], "usage": usage}


def gemini(*parts: Any, finish: Any = "STOP", **more: Any) -> Any:
    reply = google_reply()
    reply["candidates"][0] = {"content": {"role": "model", "parts": list(parts)}, "finishReason": finish}
    return reply | more


def claude(*blocks: Any, stop: Any = "end_turn") -> Any:
    return anthropic_reply() | {"content": list(blocks), "stop_reason": stop}


def said(text: Any) -> Any:
    return {"type": "text", "text": text}


def used(name: str, **given: Any) -> Any:
    return {"type": "tool_use", "id": "t", "name": name, "input": given}


def generated(text: str = YES, **more: Any) -> Any:
    return ollama_reply(text) | more


OPENAI = {
    "plain": Shape(openai_reply(YES), YES, YES, True),
    "an object": Shape(chat(content={"result": True}), '{"result": true}', '{"result": true}', True),
    "parts": Shape(chat(content=[said('{"result":'), said("true}")]), '{"result":true}', None, True),
    "a part alone": Shape(chat(content=said(YES)), YES, YES, True),
    "a wrapped text in a part alone": Shape(chat(content=said({"value": YES})), YES, YES, True),
    "an object in a part alone": Shape(
        chat(content={"type": "json", "json": {"result": True}}), '{"result": true}', '{"result": true}', True
    ),
    "an object that has a type": Shape(
        chat(content={"type": "text", "result": True}),
        '{"type": "text", "result": true}',
        '{"type": "text", "result": true}',
        True,
    ),
    "parts with thoughts": Shape(
        chat(
            content=[{"type": "thinking", "thinking": [said("hm")]}, {"type": "reasoning", "text": "hm"}, YES]
        ),
        YES,
        YES,
        True,
    ),
    "an object in a part of its own type": Shape(
        chat(content=[{"type": "output_json", "json": {"result": True}}]),
        '{"result": true}',
        '{"result": true}',
        True,
    ),
    "JSON text in a part of its own type": Shape(
        chat(content=[{"type": "json", "text": YES}]), YES, YES, True
    ),
    "an object beside the type of its part": Shape(
        chat(content=[{"type": "json", "result": True}]), '{"result": true}', '{"result": true}', True
    ),
    "a part with all members there may be": Shape(
        chat(content={"type": "text", "text": YES, "image_url": None, "citations": []}), YES, YES, True
    ),
    "an object with a part's type and more": Shape(
        chat(content={"type": "text", "text": "why", "result": True}),
        '{"type": "text", "text": "why", "result": true}',
        '{"type": "text", "text": "why", "result": true}',
        True,
    ),
    "no function's call": Shape(
        chat(content=YES, function_call={"name": "", "arguments": ""}), YES, YES, True
    ),
    "no tool's call": Shape(
        chat(content=YES, tool_calls=[{"function": {"name": "", "arguments": "{}"}}]), YES, YES, True
    ),
    "no error in the choice": Shape(chat(content=YES), YES, YES, True),
    "a struck-out text": Shape(chat(content="It is <s>10</s>"), "It is <s>10</s>", NO_JSON, OPEN),
    "a struck-out text and the end of a turn": Shape(
        chat(content='<s class="old">10</s></s>'), '<s class="old">10</s>', NO_JSON, OPEN
    ),
    "the beginning and the end of a text's tokens": Shape(
        chat(content=f"<s> {YES}</s>"), f"<s> {YES}", YES, True
    ),
    "Harmony's turn until the end": Shape(
        chat("length", content=f"<|start|>assistant<|channel|>analysis<|message|>maybe {YES}"), CUT_OFF
    ),
    "a turn's thoughts until the end": Shape(
        chat("length", content=f"<|im_start|>assistant\n<think>maybe {YES}"), CUT_OFF
    ),
    "a refusal in parts": Shape(chat(content=[{"type": "refusal", "refusal": "No."}]), REFUSED),
    "an error": Shape({"error": {"message": "bad", "code": 500}}, Failed("server_error")),
    "an error beside an answer": Shape(chat(content=YES) | {"error": {"code": 502}}, Failed("server_error")),
    "an error's text": Shape({"error": "model is overloaded"}, Failed("server_overloaded")),
    "no error": Shape(chat(content=YES) | {"error": None}, YES, YES, True),
    "429 inside": Shape({"error": {"message": "slow down", "code": 429}}, LIMITED),
    "429 as text": Shape({"error": {"code": "429", "message": "x"}}, LIMITED),
    "a rate limit by name": Shape({"error": {"type": "rate_limit_error", "message": "x"}}, LIMITED),
    "no quota": Shape({"error": {"code": "insufficient_quota", "message": "x"}}, LIMITED),
    "a bad key": Shape({"error": {"code": "invalid_api_key"}}, Failed("auth_error")),
    "an error object of vLLM": Shape({"object": "error", "message": "x", "code": 400}, Failed("bad_request")),
    "a list": Shape([{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED"}}], LIMITED),
    "a list of answers": Shape([openai_reply(YES)], UNKNOWN),
    "an empty list": Shape([], UNKNOWN),
    "a gateway's errors": Shape({"success": False, "errors": [{"code": 429, "message": "x"}]}, LIMITED),
    "a gateway's words": Shape({"errors": ["Rate limit exceeded"], "result": None}, LIMITED),
    "a framework's detail": Shape({"detail": [{"loc": ["body"], "msg": "rate limit"}]}, LIMITED),
    "MiniMax": Shape(
        {"choices": None, "base_resp": {"status_code": 1002, "status_msg": "rate limit"}}, LIMITED
    ),
    "MiniMax beside an empty answer": Shape(
        chat(content="") | {"base_resp": {"status_code": 1002, "status_msg": "rate limit"}}, LIMITED
    ),
    "MiniMax without fault": Shape(
        chat(content=YES) | {"base_resp": {"status_code": 0, "status_msg": ""}}, YES, YES, True
    ),
    "Baidu": Shape({"error_code": 18, "error_msg": "Open api qps request limit reached"}, LIMITED),
    "camel case": Shape({"statusCode": 429, "message": "slow"}, LIMITED),
    "a status in a sentence": Shape({"error": "Error code: 429 - slow down"}, LIMITED),
    "a status in a proxy's sentence": Shape({"error": {"message": "upstream said HTTP 503"}}, SERVER_ERROR),
    "no status in a sentence": Shape({"error": {"message": "at most 512 tokens"}}, UNKNOWN),
    "a list of errors": Shape({"error": ["rate limit reached"]}, LIMITED),
    "an error that is true": Shape({"error": True, "message": "Too many requests"}, LIMITED),
    "no capacity": Shape({"error": {"type": "service_tier_capacity_exceeded", "code": "3505"}}, LIMITED),
    "a model that is loaded": Shape({"error": "Model x is currently loading"}, SERVER_ERROR),
    "an error of nulls": Shape(
        chat(content=YES) | {"error": {"code": None, "message": None}}, YES, YES, True
    ),
    "the text null for no error": Shape(chat(content=YES) | {"error": "null"}, YES, YES, True),
    "a completion without a message": Shape({"choices": [{"text": YES, "finish_reason": "stop"}]}, NO_ANSWER),
    "null for a message": Shape({"choices": [{"message": None}], "usage": USAGE}, NO_ANSWER),
    "text": Shape('"hello"', UNKNOWN),
    "nothing": Shape({}, UNKNOWN),
    "usage alone": Shape({"usage": USAGE}, UNKNOWN),
    "a code alone": Shape({"code": 429, "msg": "x", "success": False}, LIMITED),
    "no choices": Shape(openai_reply() | {"choices": []}, UNKNOWN),
    "null for choices": Shape(openai_reply() | {"choices": None}, UNKNOWN),
    "null for a choice": Shape(openai_reply() | {"choices": [None]}, UNKNOWN),
    "an error in the choice": Shape(
        {"choices": [{"error": {"code": 429}, "message": {"content": YES}, "finish_reason": "error"}]},
        LIMITED,
    ),
    "a server that gave up": Shape(chat("error", content="The cap"), NO_ANSWER),
    "a server without room": Shape(chat("insufficient_system_resource", content=YES), NO_ANSWER),
    "refused": Shape(chat(content=None, refusal="I cannot."), REFUSED),
    "refused beside text": Shape(chat(content=YES, refusal="I cannot."), REFUSED),
    "not refused": Shape(chat(content=YES, refusal=None), YES, YES, True),
    "not refused, as text": Shape(chat(content=YES, refusal=""), YES, YES, True),
    "filtered": Shape(chat("content_filter", content=""), REFUSED),
    "filtered in the middle": Shape(chat("content_filter", content=YES), REFUSED),
    "filtered, with the filter's name": Shape(chat("content_filter: SAFETY", content="The ca"), REFUSED),
    "filtered by Azure": Shape(chat(content=""), "", "{}", OPEN),
    "a broken call behind Google's door": Shape(
        chat("function_call_filter: MALFORMED_FUNCTION_CALL", content=""), NO_ANSWER
    ),
    "filtered behind a router": Shape(chat(content=""), "", "{}", OPEN),
    "a tool call": Shape(chat("tool_calls", content=None, tool_calls=TOOL_CALLS), NO_ANSWER),
    "a tool call beside text": Shape(chat(content=YES, tool_calls=TOOL_CALLS), NO_ANSWER),
    "an old tool call": Shape(chat("function_call", content=None, function_call={"name": "f"}), NO_ANSWER),
    "no tool calls": Shape(chat(content=YES, tool_calls=[]), YES, YES, True),
    "nothing but a length": Shape(chat("length", content=None), CUT_OFF),
    "blanks and a length": Shape(chat("length", content=" \n"), CUT_OFF),
    "thoughts until the end": Shape(
        chat("length", content="", reasoning_content="Let me see: " + YES), CUT_OFF
    ),
    "thoughts in the text until the end": Shape(chat("length", content="<think>maybe " + YES), CUT_OFF),
    "cut off": Shape(
        chat("length", content='{"reason": "x", "result": tr'),
        '{"reason": "x", "result": tr',
        '{"reason": "x", "result": true}',
        True,
    ),
    "a number": Shape(chat(content=4), "4", NO_JSON, OPEN),
    "a text that is wrapped": Shape(chat(content=[{"type": "text", "text": {"value": YES}}]), YES, YES, True),
    "an object for a part": Shape(
        chat(content=[{"result": True}]), '{"result": true}', '{"result": true}', True
    ),
    "empty, with another word for its end": Shape(chat("FINISH_REASON_STOP", content=""), "", "{}", OPEN),
    "an error that says that all is well": Shape(
        chat(content=YES) | {"error": {"code": 0, "message": "success"}}, YES, YES, True
    ),
    "an end that is an object": Shape(chat({"type": "length"}, content=f"<think>maybe {YES}"), CUT_OFF),
    "an error of a filter": Shape({"error": {"code": "content_filter", "status": 400}}, REFUSED),
    "a filter's words": Shape({"error": {"code": 403, "message": "Your input was flagged"}}, REFUSED),
    "DashScope's filter": Shape({"code": "DataInspectionFailed", "message": "x", "request_id": "r"}, REFUSED),
    "no room is no rate": Shape({"error": "Context limit reached: 4096 tokens"}, Failed("bad_request")),
    "Amazon": Shape({"__type": "ThrottlingException", "message": "Please wait"}, LIMITED),
    "problem details": Shape({"type": "about:blank", "title": "Too Many Requests"}, LIMITED),
    "at capacity": Shape({"error": {"message": "The engine is at capacity"}}, SERVER_ERROR),
    "comments in front": Shape(
        f": PROCESSING\n\n: PROCESSING\n\n{json.dumps(chat(content=YES), indent=1)}", YES, YES, True
    ),
    "no stream": Shape("data: hello\n\n", UNKNOWN),
    "a page": Shape("<!doctype html>\n<title>Sign in</title>", UNKNOWN),
    "blanks of other kinds": Shape(
        chat(content='{\u00a0"reason": "a\u00a0b",\u200b"result": true}'),
        '{\u00a0"reason": "a\u00a0b",\u200b"result": true}',
        '{ "reason": "a\u00a0b", "result": true}',
        True,
    ),
    "empty": Shape(chat(content=""), "", "{}", OPEN),
    "null": Shape(chat(content=None), "", "{}", OPEN),
    "no content": Shape(chat(), "", "{}", OPEN),
    "empty, and counted in fractions": Shape(
        chat(content="", usage={"prompt_tokens": 11.0, "completion_tokens": 0.0}), "", "{}", OPEN
    ),
    "empty, and counted in text": Shape(chat(content="", usage={"prompt_tokens": "11"}), "", "{}", OPEN),
    "empty, and counted by newer names": Shape(
        chat(content="", usage={"input_tokens": 11, "output_tokens": 0}), "", "{}", OPEN
    ),
    "empty and unpaid": Shape(chat(content="", usage=None), NO_ANSWER),
    "empty without an end": Shape(chat(None, content=""), NO_ANSWER),
    "text without an end": Shape(chat(None, content=YES), YES, YES, True),
    "text with an unknown end": Shape(chat("done-ish", content=YES), YES, YES, True),
    "text without usage": Shape(chat(content=YES, usage=None), YES, YES, True),
    "a piece of a stream": Shape({"choices": [{"delta": {"content": YES}}], "usage": USAGE}, NO_ANSWER),
    "thoughts": Shape(chat(content='<think>{"a": 1} no…</think>\n\n' + YES), YES, YES, True),
    "thoughts without a beginning": Shape(chat(content="hm</think>hm</think> " + YES), YES, YES, True),
    "thoughts in capitals": Shape(chat(content=f"<THINK>{{}}</THINK>{YES}"), YES, YES, True),
    "thoughts with a vendor's name": Shape(
        chat(content=f'<seed:think>{{"result": false}}</seed:think>{YES}'), YES, YES, True
    ),
    "Kimi's thoughts": Shape(chat(content=f"◁think▷{{}}◁/think▷{YES}"), YES, YES, True),
    "Harmony's channels": Shape(
        chat(
            content='<|channel|>analysis<|message|>{"result": false}<|end|><|start|>assistant'
            f"<|channel|>final <|constrain|>json<|message|>{YES}<|return|>"
        ),
        YES,
        YES,
        True,
    ),
    "Harmony's analysis until the end": Shape(
        chat("length", content=f"<|channel|>analysis<|message|>maybe {YES}"), CUT_OFF
    ),
    "Gemma's thoughts": Shape(chat(content=f"<|channel>thought\n{{}}\n<channel|>{YES}"), YES, YES, True),
    "thoughts of a box until the end": Shape(
        chat("length", content=f"<think>maybe <|begin_of_box|>{YES}<|end_of_box|>, but"), CUT_OFF
    ),
    "thoughts and the end of a turn": Shape(chat("length", content=f"<think>maybe {YES}<|im_end|>"), CUT_OFF),
    "thoughts that never end, of a model that stopped": Shape(
        chat(content=f"<think>if so, {YES}"), f"<think>if so, {YES}", NO_ANSWER, NO_ANSWER
    ),
    "thoughts that never end, with no word on why": Shape(
        chat(None, content=f"<think>if so, {YES}"), NO_ANSWER
    ),
    "an end by a tool beside text": Shape(chat("tool_calls", content=YES), NO_ANSWER),
    "Gemma's thoughts until the end": Shape(chat("length", content=f"<|channel>thought\n{YES}"), CUT_OFF),
    "Command A's thoughts": Shape(
        chat(content=f"<|START_THINKING|>{{}}<|END_THINKING|><|START_RESPONSE|>{YES}<|END_RESPONSE|>"),
        YES,
        YES,
        True,
    ),
    "an answer in a box": Shape(
        chat(content=f"<think>hm</think>\n<|begin_of_box|>{YES}<|end_of_box|>"), YES, YES, True
    ),
    "the end of a turn": Shape(chat(content=f"{YES}<|im_end|>\n</s>"), YES, YES, True),
    "half a character": Shape(
        chat(content='{"a": "\ud83d", "result": true}'),
        '{"a": "?", "result": true}',
        '{"a": "?", "result": true}',
        True,
    ),
    "thoughts alone": Shape(chat(content=f"<think>{YES}</think>"), "", "{}", OPEN),
    "a tag in a string": Shape(
        chat(content='{"a": "</think>", "result": true}'),
        '{"a": "</think>", "result": true}',
        '{"a": "</think>", "result": true}',
        True,
    ),
    "fences": Shape(chat(content=f"```json\n{YES}\n```"), f"```json\n{YES}\n```", YES, True),
    "chatter and fences": Shape(
        chat(content=f"Sure:\n```json\n{YES}\n```\nDone {{x}}"),
        f"Sure:\n```json\n{YES}\n```\nDone {{x}}",
        YES,
        True,
    ),
    "line breaks in a string": Shape(
        chat(content='{"reason": "a\nb\tc", "result": true}'),
        '{"reason": "a\nb\tc", "result": true}',
        '{"reason": "a\\nb\\tc", "result": true}',
        True,
    ),
    "trailing commas": Shape(
        chat(content='{"a": [1, 2, ], "result": true,\n}'),
        '{"a": [1, 2, ], "result": true,\n}',
        '{"a": [1, 2 ], "result": true\n}',
        True,
    ),
    "a comma in a string": Shape(
        chat(content='{"a": ",}", "result": true,}'),
        '{"a": ",}", "result": true,}',
        '{"a": ",}", "result": true}',
        True,
    ),
    "two objects": Shape(chat(content=YES + '\n{"result": false}'), YES + '\n{"result": false}', YES, True),
    "an object in a list": Shape(chat(content=f"[{YES},]"), f"[{YES},]", YES, True),
    "two objects in a list": Shape(chat(content=f"[{YES}, {YES}]"), f"[{YES}, {YES}]", NO_JSON, OPEN),
    "an object written as a string": Shape(
        chat(content='"{\\"result\\": true}"'), '"{\\"result\\": true}"', '{"result": true}', True
    ),
    "chatter before a cut-off object": Shape(
        chat("length", content='Well: {"in": {"result": false}, "result": tr'),
        'Well: {"in": {"result": false}, "result": tr',
        '{"in": {"result": false}, "result": true}',
        True,
    ),
    "no object": Shape(chat(content="I cannot say."), "I cannot say.", NO_JSON, OPEN),
    "no boolean": Shape(chat(content='{"result": "true"}'), '{"result": "true"}', '{"result": "true"}', OPEN),
    "a number beyond all bounds": Shape(
        chat(content='{"a": 1e9999999999999999999, "result": true}'),
        '{"a": 1e9999999999999999999, "result": true}',
        NO_JSON,
        OPEN,
    ),
    "half a character beside a number that no float holds": Shape(
        chat(content='{"a": "\\ud83d", "b": 1e999, "result": true}'),
        '{"a": "\\ud83d", "b": 1e999, "result": true}',
        NO_JSON,
        OPEN,
    ),
    "an object too deep to be looked through": Shape(
        json.dumps(chat(content="HERE")).replace('"HERE"', '{"a":' * 500 + "1" + "}" * 500), NO_JSON
    ),
    "fractions": Shape(
        chat(content='{"a": 1.50, "result": true}'),
        '{"a": 1.50, "result": true}',
        '{"a": 1.50, "result": true}',
        True,
    ),
}
OPENAI["no error in the choice"].body["choices"][0]["error"] = {"code": 0, "message": ""}
OPENAI["filtered behind a router"].body["choices"][0]["native_finish_reason"] = "SAFETY"
OPENAI["filtered by Azure"].body["choices"][0]["content_filter_results"] = {"hate": {"filtered": True}}
OPENAI["filtered by a list of Azure's"] = Shape(chat(content=""), REFUSED)
OPENAI["filtered by a list of Azure's"].body["choices"][0]["content_filter_results"] = {
    "custom_blocklists": [{"filtered": False}, {"filtered": True}]
}
OPENAI["filtered by Azure"] = Shape(OPENAI["filtered by Azure"].body, REFUSED)
OPENAI["filtered behind a router"] = Shape(OPENAI["filtered behind a router"].body, REFUSED)

GOOGLE = {
    "plain": Shape(google_reply(YES), YES, YES, True),
    "parts": Shape(gemini({"text": '{"result":'}, {"text": "true}"}), '{"result":true}', None, True),
    "thoughts": Shape(gemini({"text": "{}", "thought": True}, {"text": YES}), YES, YES, True),
    "thoughts until the end": Shape(gemini({"text": "I", "thought": True}, finish="MAX_TOKENS"), CUT_OFF),
    "nothing but a length": Shape(google_reply(None, "MAX_TOKENS"), CUT_OFF),
    "cut off": Shape(google_reply('{"result": tr', "MAX_TOKENS"), '{"result": tr', '{"result": true}', True),
    "cut off before the object": Shape(google_reply("Well,", "MAX_TOKENS"), "Well,", "{}", OPEN),
    "empty": Shape(google_reply(None), "", "{}", OPEN),
    "empty without an end": Shape(google_reply(None, "FINISH_REASON_UNSPECIFIED"), NO_ANSWER),
    "an error": Shape({"error": {"code": 503, "status": "UNAVAILABLE"}}, Failed("server_error")),
    "429 inside": Shape({"error": {"code": 429, "status": "RESOURCE_EXHAUSTED"}}, LIMITED),
    "a list": Shape([{"error": {"code": 400, "status": "INVALID_ARGUMENT"}}], Failed("bad_request")),
    "no candidates": Shape(google_reply() | {"candidates": []}, UNKNOWN),
    "usage alone": Shape({"usageMetadata": {"promptTokenCount": 3}}, UNKNOWN),
    "blocked": Shape({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {}}, REFUSED),
    "blocked for no reason that was set": Shape(
        google_reply(YES) | {"promptFeedback": {"blockReason": "BLOCK_REASON_UNSPECIFIED"}}, YES, YES, True
    ),
    "no function's call": Shape(gemini({"text": YES}, {"functionCall": {}}), YES, YES, True),
    "not blocked": Shape(google_reply(YES) | {"promptFeedback": {"safetyRatings": []}}, YES, YES, True),
    "unsafe": Shape(google_reply(None, "SAFETY"), REFUSED),
    "unsafe in the middle": Shape(google_reply("The cap", "PROHIBITED_CONTENT"), REFUSED),
    "stopped by an armor": Shape(google_reply("The cap", "MODEL_ARMOR"), REFUSED),
    "recited": Shape(google_reply(YES, "RECITATION"), REFUSED),
    "a tool call": Shape(gemini({"functionCall": {"name": "f", "args": {}}}), NO_ANSWER),
    "a tool call by its reason alone": Shape(google_reply(YES, "UNEXPECTED_TOOL_CALL"), NO_ANSWER),
    "a broken tool call": Shape(google_reply(None, "MALFORMED_FUNCTION_CALL"), NO_ANSWER),
    "another end": Shape(google_reply("The cap", "OTHER"), NO_ANSWER),
}

ANTHROPIC = {
    "text": Shape(claude(said(YES)), YES, YES, True),
    "blocks": Shape(
        claude(said('{"result":'), {"type": "thinking"}, said("true}")), '{"result":true}', None, True
    ),
    "the tool": Shape(
        claude(used("json_out", result=True), stop="tool_use"), NO_ANSWER, '{"result": true}', True
    ),
    "the tool behind text": Shape(
        claude(said("Here:"), used("json_out", result=True)), NO_ANSWER, '{"result": true}', True
    ),
    "an end by a tool that was not called": Shape(claude(stop="tool_use"), NO_ANSWER),
    "an end by a tool that was not called, beside text": Shape(
        claude(said(YES), stop="tool_use"), NO_ANSWER, YES, True
    ),
    "another tool": Shape(claude(used("search", result=True), stop="tool_use"), NO_ANSWER),
    "refused": Shape(claude(stop="refusal"), REFUSED),
    "refused in the middle": Shape(claude(said(YES), stop="refusal"), REFUSED),
    "an error": Shape({"type": "error", "error": {"type": "overloaded_error"}}, Failed("server_overloaded")),
    "429 inside": Shape({"type": "error", "error": {"type": "rate_limit_error"}}, LIMITED),
    "no content": Shape({"type": "message", "usage": {"input_tokens": 1, "output_tokens": 0}}, UNKNOWN),
    "a list": Shape([], UNKNOWN),
    "empty": Shape(claude(), "", "{}", OPEN),
    "nothing but a length": Shape(claude(stop="max_tokens"), CUT_OFF),
    "thoughts until the end": Shape(
        claude({"type": "thinking", "thinking": "x"}, stop="max_tokens"), CUT_OFF
    ),
    "the tool cut off at once": Shape(
        claude(used("json_out"), stop="max_tokens"), NO_ANSWER, CUT_OFF, CUT_OFF
    ),
    "cut off": Shape(
        claude(said('{"result": tr'), stop="max_tokens"), '{"result": tr', '{"result": true}', True
    ),
    "no room": Shape(claude(stop="model_context_window_exceeded"), CUT_OFF),
}

OLLAMA = {
    "plain": Shape(generated(done_reason="stop"), YES, YES, True),
    "an old server": Shape(generated(), YES, YES, True),
    "thoughts": Shape(generated(thinking="hm", done_reason="stop"), YES, YES, True),
    "thoughts in the text": Shape(generated(f"<think>x</think>{YES}"), YES, YES, True),
    "thoughts until the end": Shape(generated("", thinking="hm", done_reason="length"), CUT_OFF),
    "cut off": Shape(
        generated('{"result": tr', done_reason="length"), '{"result": tr', '{"result": true}', True
    ),
    "empty": Shape(generated("", done_reason="stop"), "", "{}", OPEN),
    "loaded": Shape({"model": "m", "response": "", "done": True, "done_reason": "load"}, NO_ANSWER),
    "a piece of a stream": Shape(generated(done=False), NO_ANSWER),
    "an error": Shape({"error": "model 'm' not found"}, Failed("model_unavailable")),
    "LM Studio": Shape({"error": "Unexpected endpoint or method. (POST /api/generate)"}, UNKNOWN),
    "429 inside": Shape({"error": "429: too many requests"}, LIMITED),
    "no response": Shape({"done": True, "prompt_eval_count": 11, "eval_count": 5}, UNKNOWN),
    "a list": Shape([generated()], UNKNOWN),
    "a stream": Shape(
        "\n".join(
            json.dumps(one)
            for one in (generated('{"result":', done=False), generated(" true}", done_reason="stop"))
        ),
        '{"result": true}',
        None,
        True,
    ),
    "a stream that broke off": Shape("\n".join([json.dumps(generated(done=False))] * 2), NO_ANSWER),
}

SHAPES = {
    (provider, name): shape
    for provider, shapes in {
        "openai-compatible": OPENAI,
        "google": GOOGLE,
        "anthropic": ANTHROPIC,
        "ollama": OLLAMA,
    }.items()
    for name, shape in shapes.items()
}

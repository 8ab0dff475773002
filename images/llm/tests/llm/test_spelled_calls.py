"""A call that a server left as text is no answer; what mentions one is (modules.md, correction 2)."""

from __future__ import annotations

import pytest

from genvm_llm.failures import Kind
from genvm_llm.judging import fault_of_reply
from genvm_llm.prompt import Format
from genvm_llm.providers import PROVIDERS

from .answer_shapes import chat

ARGUMENTS = '{"q": "x"}'
CALL = f'{{"name": "search", "arguments": {ARGUMENTS}}}'
HARMONY = "<|channel|>commentary to=functions.search <|constrain|>json<|message|>{}<|call|>"
CALLS = {
    "Hermes": f"<tool_call>\n{CALL}\n</tool_call>",
    "Qwen Coder": "<tool_call>\n<function=search>\n<parameter=q>\nx\n</parameter>\n</function>\n</tool_call>",
    "Llama": f"<function=search>{ARGUMENTS}</function>",
    "Llama's token": f"<|python_tag|>{CALL}",
    "Nemotron": f"<TOOLCALL>[{CALL}]</TOOLCALL>",
    "MiniMax": '<minimax:tool_call>\n<invoke name="search"></invoke>\n</minimax:tool_call>',
    "Hunyuan": f"<tool_calls:opensource>{CALL}",
    "LongCat": f"<longcat_tool_call>{CALL}</longcat_tool_call>",
    "FunctionGemma": "<start_function_call>call:search{q:x}<end_function_call>",
    "Gemma": "<|tool_call>call:search{q:x}<tool_call|>",
    "Mistral": f"[TOOL_CALLS][{CALL}]",
    "Mistral's newer": f"[TOOL_CALLS]search[ARGS]{ARGUMENTS}",
    "Granite": f"<|tool_call|>[{CALL}]",
    "LFM": f"<|tool_call_start|>[{CALL}]<|tool_call_end|>",
    "Command A": f"<|START_ACTION|>[{CALL}]<|END_ACTION|>",
    "Apertus": f"<|tools_prefix|>[{CALL}]<|tools_suffix|>",
    "InternLM": f"<|action_start|><|plugin|>{CALL}<|action_end|>",
    "Inkling": f"<|message_model|>search<|content_invoke_tool_json|>{CALL}<|end_message|>",
    "Phi": f"functools[{CALL}]",
    "DeepSeek": "<\uff5ctool\u2581calls\u2581begin\uff5c><\uff5ctool\u2581call\u2581begin\uff5c>function"
    f"<\uff5ctool\u2581sep\uff5c>search\n```json\n{ARGUMENTS}\n```<\uff5ctool\u2581call\u2581end\uff5c>",
    "DeepSeek's newer": '<\uff5cDSML\uff5cfunction_calls>\n<\uff5cDSML\uff5cinvoke name="search">',
    "Kimi": f"<|tool_calls_section_begin|><|tool_call_begin|>functions.search:0{ARGUMENTS}<|tool_call_end|>",
    "Kimi K3": '<|open|>tools<|sep|><|open|>call tool="search"<|sep|>',
    "Harmony": HARMONY.format(ARGUMENTS),
    "Harmony's other order": f"<|start|>assistant to=functions.f<|channel|>commentary<|message|>{ARGUMENTS}",
    "Harmony's own tools": "<|channel|>analysis to=browser.search code<|message|>{}<|call|>",
    "Harmony behind thoughts": "<|channel|>analysis<|message|>I < search.<|end|><|start|>assistant"
    + HARMONY.format(ARGUMENTS),
    "Harmony without its tokens": f"commentary to=functions.search json{ARGUMENTS}",
    "Muse": f"<|start|>assistant to=search<|message|><x:function_calls>{CALL}",
    "Gemini": "```tool_code\nprint(search(q='x'))\n```",
    "ChatML": f"<|im_start|>assistant\n<tool_call>{CALL}</tool_call>",
    "blanks": f"\n\n  <tool_call>{CALL}</tool_call>",
    "thoughts": f"<think>\nhm\n</think>\n\n<tool_call>{CALL}</tool_call>",
}
ANSWERS = {
    "an object with a call's members": CALL,
    "prose in front": f"Models write <tool_call>{CALL}</tool_call>",
    "somebody's own tag": f"<my_tool_call>{CALL}</my_tool_call>",
    "a page's tag": f'<function name="f">{CALL}</function>',
    "Python": "functools[cached]",
    "prose that begins with a tag": "<tool_call> is a tag that Qwen writes.",
    "prose that begins with a mark": "[TOOL_CALLS] begins a call.",
    "a quotation": f"`[TOOL_CALLS]` begins {CALL}",
    "Harmony's answer behind a call": f"{HARMONY.format('{}')}<|channel|>final<|message|>{CALL}",
    "Harmony's preamble": f"<|channel|>commentary<|message|>{CALL}",
    "Muse, to a user": f"<|start|>assistant to=user<|message|>{CALL}",
}
FORMS: list[Format] = ["text", "json", "bool"]


def kind_of(text: str, form: Format) -> Kind | None:
    reply = PROVIDERS["openai-compatible"].read(chat(content=text), form)
    fault = fault_of_reply(reply, form)
    return None if fault is None else fault.kind


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", CALLS)
def test_a_call_that_was_left_as_text_is_no_answer(name: str, form: Format) -> None:
    assert kind_of(CALLS[name], form) is Kind.NO_ANSWER


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ANSWERS)
def test_what_only_mentions_calls_is_an_answer(name: str, form: Format) -> None:
    assert kind_of(ANSWERS[name], form) is None

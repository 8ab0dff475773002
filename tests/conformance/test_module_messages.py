"""The executor's end of the module stream, byte by byte (spec/modules.md, 6: the S2 table)."""

from __future__ import annotations

import pytest

from genvm_wire.json_values import JsonRefused, value_of_json
from genvm_wire.module_messages import (
    BUDGET_EXHAUSTED,
    FatalError,
    Hello,
    ModuleMessageMalformed,
    ModuleMessageTooLarge,
    Ok,
    UserError,
    frame,
    parse_answer,
    parse_prompt_answer,
    prompt,
    prompt_template,
    render,
    request,
)

HELLO = Hello(7, "Leader", {"node_address": "0x01", "tx_id": "0x02"}, {}, 0)
PROMPT = {"prompt": "2+2?", "response_format": "text", "images": []}
TEMPLATE = {"template": "EqComparative", "leader_answer": "a", "validator_answer": "b", "principle": "p"}
URL = "https://example.com/"
GET = {"method": "GET", "url": URL, "headers": {}, "body": None, "sign": False}
RENDER = {"mode": "text", "url": URL, "wait_after_loaded": "500ms"}

SENT = {
    "hello": (
        HELLO.message(),
        "000000682e086761735f64617461060867656e766d5f69643909686f73745f64617461160c6e6f64655f6164647265737324"
        "307830310574785f696424307830321d696e697469616c5f74696d655f756e6974735f616c6c6f636174696f6e0104726f6c"
        "65344c6561646572",
    ),
    "prompt": (
        prompt(PROMPT, 1_000_000),
        "000000550e0650726f6d707416077061796c6f61641e06696d61676573050670726f6d707424322b323f0f726573706f6e73"
        "655f666f726d617424746578741572656d61696e696e675f6675656c5f61735f67656e81a4e803",
    ),
    "template": (
        prompt_template(TEMPLATE, 0),
        "000000770e0e50726f6d707454656d706c61746516077061796c6f6164260d6c65616465725f616e737765720c6109707269"
        "6e6369706c650c700874656d706c6174656c4571436f6d70617261746976651076616c696461746f725f616e737765720c62"
        "1572656d61696e696e675f6675656c5f61735f67656e01",
    ),
    "request": (
        request(GET, 1_048_576),
        "000000490e0752657175657374152e04626f647900076865616465727306066d6574686f641c474554047369676e08037572"
        "6ca40168747470733a2f2f6578616d706c652e636f6d2f81808004",
    ),
    "render": (
        render(RENDER, 1_048_576),
        "0000004a0e0652656e646572151e046d6f646524746578740375726ca40168747470733a2f2f6578616d706c652e636f6d2f"
        "11776169745f61667465725f6c6f616465642c3530306d7381808004",
    ),
}
ANSWERS = {
    "prompt": ("0e024f6b160c636f6e73756d65645f67656e0104646174610c34", Ok({"consumed_gen": 0, "data": "4"})),
    "web": (
        "0e024f6b0e08726573706f6e73651e04626f647913686907686561646572730e0c636f6e74656e742d747970655374657874"
        "2f706c61696e06737461747573c10c",
        Ok({"response": {"body": b"hi", "headers": {"content-type": b"text/plain"}, "status": 200}}),
    ),
    "image": ("0e024f6b0e05696d6167652389504e47", Ok({"image": b"\x89PNG"})),
    "user error": (
        "0e09557365724572726f7216066361757365730d6c544c445f464f5242494444454e036374781603746c642c6c6f63616c03"
        "75726c7c687474703a2f2f612e6c6f63616c2f",
        UserError({"causes": ["TLD_FORBIDDEN"], "ctx": {"tld": "local", "url": "http://a.local/"}}),
    ),
    "fatal error": ("0e0a466174616c4572726f720c78", FatalError("x")),
}


@pytest.mark.parametrize(("message", "expected"), SENT.values(), ids=SENT)
def test_messages_to_a_module(message, expected):
    assert frame(message).hex() == expected


@pytest.mark.parametrize(("body", "expected"), ANSWERS.values(), ids=ANSWERS)
def test_answers_of_a_module(body, expected):
    assert parse_answer(bytes.fromhex(body)) == expected


def test_an_exhausted_budget_is_the_greatest_amount():
    body = bytes.fromhex(f"0e024f6b160c636f6e73756d65645f67656ef9{'ff' * 35}7f046461746104")
    answer = parse_answer(body)
    assert isinstance(answer, Ok)
    assert parse_prompt_answer(answer.value).consumed == BUDGET_EXHAUSTED


@pytest.mark.parametrize(
    "body", ["", "06", "0c34", "0e026f6b00", "0e0a466174616c4572726f7200", "0e09557365724572726f7206"]
)
def test_what_is_no_answer_is_refused(body):
    with pytest.raises(ModuleMessageMalformed):
        parse_answer(bytes.fromhex(body))


@pytest.mark.parametrize(
    "value", [None, {"data": "4"}, {"consumed_gen": -1, "data": ""}, {"consumed_gen": 0}]
)
def test_what_is_no_answer_to_a_prompt_is_refused(value):
    with pytest.raises(ModuleMessageMalformed):
        parse_prompt_answer(value)


def test_a_message_over_the_limit_is_not_sent():
    with pytest.raises(ModuleMessageTooLarge):
        frame(bytes(64 * 1024 * 1024))


def test_a_hello_does_not_show_host_data():
    assert "0x01" not in repr(HELLO)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1, "b": [true, null]}', {"a": 1, "b": [True, None]}),
        ('{"a": 1.50, "b": 1e2, "c": -1e-3}', {"a": "1.5", "b": "100.0", "c": "-0.001"}),
        ("[18446744073709551615, 18446744073709551616]", [2**64 - 1, "18446744073709551616"]),
    ],
)
def test_numbers_that_calldata_cannot_carry_become_text(text, value):
    assert value_of_json(text) == value


@pytest.mark.parametrize(
    "text", ["", "{", "NaN", '{"a": Infinity}', "1e999999999", "9" * 1000, r'"\ud800"', "[" * 100_000]
)
def test_json_that_cannot_be_carried_is_refused(text):
    with pytest.raises(JsonRefused):
        value_of_json(text)

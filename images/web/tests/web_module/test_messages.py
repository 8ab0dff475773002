"""modules 1.9 and 6: requests of all generations, and the worked hex."""

from __future__ import annotations

import pytest

from genvm_module.errors import ModuleError, RequestMalformed, error_answer
from genvm_web.messages import FetchRequest, RenderRequest, StatisticsRequest, read_request
from genvm_wire.calldata import Encodable, Value, decode, encode

W_REQUEST = (
    "0e07526571756573742e04626f647900076865616465727306066d6574686f641c474554047369676e080375726ca401"
    "68747470733a2f2f6578616d706c652e636f6d2f"
)
S_REQUEST = (
    "0e0752657175657374152e04626f647900076865616465727306066d6574686f641c474554047369676e080375726ca4"
    "0168747470733a2f2f6578616d706c652e636f6d2f81808004"
)
S_RENDER = (
    "0e0652656e646572151e046d6f646524746578740375726ca40168747470733a2f2f6578616d706c652e636f6d2f1177"
    "6169745f61667465725f6c6f616465642c3530306d7381808004"
)
GET = FetchRequest("GET", "https://example.com/", {}, None, False, None)


@pytest.mark.parametrize(
    ("hexadecimal", "request_"),
    [
        (W_REQUEST, GET),
        (S_REQUEST, FetchRequest("GET", "https://example.com/", {}, None, False, 1_048_576)),
        (S_RENDER, RenderRequest("https://example.com/", "text", 0.5, 1_048_576)),
        ("444765745374617473", StatisticsRequest()),
    ],
)
def test_worked_requests(hexadecimal: str, request_: object) -> None:
    assert read_request(decode(bytes.fromhex(hexadecimal))) == request_


@pytest.mark.parametrize(
    ("answer", "hexadecimal"),
    [
        (
            {"Ok": {"response": {"body": b"hi", "headers": {"content-type": b"text/plain"}, "status": 200}}},
            "0e024f6b0e08726573706f6e73651e04626f647913686907686561646572730e0c636f6e74656e742d74797065"
            "53746578742f706c61696e06737461747573c10c",
        ),
        ({"Ok": {"text": "hi"}}, "0e024f6b0e0474657874146869"),
        ({"Ok": {"image": bytes.fromhex("89504e47")}}, "0e024f6b0e05696d6167652389504e47"),
        (
            error_answer(
                ModuleError("TLD_FORBIDDEN", fatal=False, ctx={"tld": "local", "url": "http://a.local/"})
            ),
            "0e09557365724572726f7216066361757365730d6c544c445f464f5242494444454e036374781603746c642c6c6f"
            "63616c0375726c7c687474703a2f2f612e6c6f63616c2f",
        ),
    ],
)
def test_worked_answers(answer: Encodable, hexadecimal: str) -> None:
    assert encode(answer).hex() == hexadecimal


def _request(**changes: Value) -> Value:
    payload: dict[str, Value] = {"method": "GET", "url": "u", "headers": {}, "body": None, "sign": False}
    return {"Request": {**payload, **changes}}


def _render(**changes: Value) -> Value:
    return {"Render": {"mode": "text", "url": "u", **changes}}


def test_what_may_be_missing_has_a_default() -> None:
    assert read_request(_render()) == RenderRequest("u", "text", 0.0, None)
    short: Value = {"Request": {"method": "PUT", "url": "u", "headers": {"a": b"b"}}}
    assert read_request(short) == FetchRequest("PUT", "u", {"a": b"b"}, None, False, None)


def test_unknown_keys_are_ignored() -> None:
    assert read_request(_request(url="https://example.com/", new=1)) == GET


@pytest.mark.parametrize(
    "message",
    [
        None,
        "GetStat",
        {},
        {"Prompt": {}},
        {"Request": 1},
        {"Request": []},
        {"Render": [{"mode": "text", "url": "u"}, -1]},
        {"Render": [{"mode": "text", "url": "u"}, True]},
        {"Render": {}, "Request": {}},
        _request(method="get"),
        _request(method="TRACE"),
        _request(url=b"u"),
        _request(headers=[]),
        _request(headers={"a": "text"}),
        _request(body="text"),
        _request(sign=1),
        _render(mode="pdf"),
        _render(wait_after_loaded="1m"),
        _render(wait_after_loaded=5),
    ],
)
def test_other_shapes_are_malformed(message: Value) -> None:
    with pytest.raises(RequestMalformed):
        read_request(message)

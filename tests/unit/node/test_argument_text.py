"""How contract arguments are written on a command line."""

from __future__ import annotations

import pytest

from genvm_wire.address import Address
from genvm_wire.calldata import Value
from orchestrator.node.argument_text import parse_address, parse_argument, parse_keyword
from orchestrator.node.errors import BadRequest

HEX = "0x" + "Ab" * 20


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("-1", -1),
        ("true", True),
        ("null", None),
        ("hello", "hello"),
        ('"1"', "1"),
        (f'"{HEX}"', HEX),
        (HEX, Address(b"\xab" * 20)),
        ("hex:00ff", b"\x00\xff"),
        ("b64:AP8=", b"\x00\xff"),
        ('[1, {"a": [null]}]', [1, {"a": [None]}]),
        (f'[{{"$addr": "{HEX}"}}, {{"$bytes": "0a"}}]', [Address(b"\xab" * 20), b"\n"]),
        ('{"$int": "9007199254740993"}', 9007199254740993),
        ("NaN", "NaN"),
        ("0x12", "0x12"),
        ("", ""),
    ],
)
def test_an_argument_is_json_or_a_marked_form_or_a_string(text: str, value: Value) -> None:
    parsed = parse_argument(text)
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(
    "text", ["1.5", "[0.1]", "hex:0", "b64:?", '{"$addr": "x"}', '"\\ud800"', "[" * 200 + "]" * 200]
)
def test_what_has_no_calldata_form_is_refused(text: str) -> None:
    with pytest.raises(BadRequest):
        parse_argument(text)


def test_keywords_are_name_and_value() -> None:
    assert parse_keyword("n=a=b") == ("n", "a=b")
    with pytest.raises(BadRequest):
        parse_keyword("n")


def test_an_address_is_forty_digits() -> None:
    with pytest.raises(BadRequest):
        parse_address("0x1")

"""Arguments whose type is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from genvm_wire.address import Address
from genvm_wire.calldata import Value
from orchestrator.node.errors import BadRequest
from orchestrator.node.typed_argument import parse_typed

HEX = "0x" + "Ab" * 20


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("u8:255", 255),
        ("u256:0xff", 255),
        (f"u256:{2**256 - 1}", 2**256 - 1),
        ("i8:-128", -128),
        ("i24:-1", -1),
        ("int:-170141183460469231731687303715884105729", -(2**127) - 1),
        ("bool:false", False),
        ("str:true", "true"),
        ("str:", ""),
        ("str:a:b", "a:b"),
        ("bytes:", b""),
        ("bytes:0x00ff", b"\x00\xff"),
        (f"address:{HEX}", Address(b"\xab" * 20)),
        ("null:", None),
        ('json:[1, {"$bytes": "00"}]', [1, b"\0"]),
    ],
)
def test_a_type_leaves_nothing_to_guess(text: str, value: Value) -> None:
    parsed = parse_typed(text)
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("5", "not TYPE:VALUE"),
        ("u7:1", "integers have"),
        ("u264:1", "integers have"),
        ("uint:1", "no type 'uint'"),
        ("u8:256", "does not fit u8: 0 to 255"),
        ("u8:-1", "does not fit"),
        ("i8:128", "does not fit i8: -128 to 127"),
        ("u8:1.0", "no integer"),
        ("bool:1", "neither true nor false"),
        ("bytes:0", "hex digits"),
        ("address:0x1", "not an address"),
        ("null:0", "no value"),
        ("json:{", "not JSON"),
        ("json:1.5", "no fractions"),
        ("file:/absent", "cannot read"),
    ],
)
def test_what_is_not_of_its_type_is_refused_with_a_reason(text: str, said: str) -> None:
    with pytest.raises(BadRequest, match=said):
        parse_typed(text)


def test_files_are_bytes_text_or_json(tmp_path: Path) -> None:
    file = tmp_path / "data"
    file.write_bytes(b'{"a": 1}')
    assert parse_typed(f"file:{file}") == b'{"a": 1}'
    assert parse_typed(f"text:{file}") == '{"a": 1}'
    assert parse_typed(f"jsonfile:{file}") == {"a": 1}
    file.write_bytes(b"\xff")
    with pytest.raises(BadRequest, match="not UTF-8"):
        parse_typed(f"text:{file}")

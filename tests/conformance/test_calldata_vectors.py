"""The codec against every vector of calldata 9."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from genvm_wire.calldata import Address, CalldataError, Value, decode, encode, to_text

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "calldata-vectors.json").read_text())


def untag(tagged: Any) -> Value:
    """Read the tagged JSON of calldata 7.3."""
    if isinstance(tagged, list):
        return [untag(item) for item in tagged]
    if not isinstance(tagged, dict):
        plain: Value = tagged
        return plain
    match list(tagged.items()):
        case [("$int", text)]:
            return int(text)
        case [("$bytes", text)]:
            return bytes.fromhex(text)
        case [("$addr", text)]:
            return Address(bytes.fromhex(text))
        case [("$map", pairs)]:
            return {key: untag(value) for key, value in pairs}
    return {key: untag(value) for key, value in tagged.items()}


def by_name(entries: list[dict[str, Any]]) -> list[Any]:
    return [pytest.param(entry, id=entry["name"]) for entry in entries]


@pytest.mark.parametrize("vector", by_name(VECTORS["valid"]))
def test_value_encodes_to_its_one_form(vector: dict[str, Any]) -> None:
    """calldata 9.1."""
    assert encode(untag(vector["value"])).hex() == vector["hex"]


@pytest.mark.parametrize("vector", by_name(VECTORS["valid"]))
def test_bytes_decode_to_the_value(vector: dict[str, Any]) -> None:
    """calldata 9.1; types count, so `True` is not 1."""
    decoded = decode(bytes.fromhex(vector["hex"]))
    assert decoded == untag(vector["value"])
    assert encode(decoded).hex() == vector["hex"]


@pytest.mark.parametrize("vector", by_name(VECTORS["valid"]))
def test_text_form(vector: dict[str, Any]) -> None:
    """calldata 7.1."""
    assert to_text(untag(vector["value"])) == vector["text"]


@pytest.mark.parametrize("vector", by_name(VECTORS["invalid"]))
def test_bad_bytes_are_refused_with_their_class(vector: dict[str, Any]) -> None:
    """calldata 9.2 and 3."""
    with pytest.raises(CalldataError) as caught:
        decode(bytes.fromhex(vector["hex"]))
    assert caught.value.reason == vector["class"]


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(1.5, id="float"),
        pytest.param({1: 2}, id="int_key"),
        pytest.param({b"a": 2}, id="bytes_key"),
        pytest.param("\ud800", id="lone_surrogate_str"),
        pytest.param({"\udc00": 1}, id="lone_surrogate_key"),
        pytest.param({1, 2}, id="set"),
        pytest.param([object()], id="object_inside_a_list"),
    ],
)
def test_value_without_a_form_is_refused(value: Any) -> None:
    """calldata 9.3."""
    with pytest.raises(CalldataError):
        encode(value)


def test_an_address_has_twenty_bytes() -> None:
    """calldata 9.3, address_19_bytes."""
    with pytest.raises(ValueError, match="20 bytes"):
        Address(bytes(19))

"""The codec under hostile input: linear time, bounded memory, one error type (calldata 3, 5, 7)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from genvm_wire.calldata import (
    ITEM_OF_NUMBER,
    LONG_TEXT,
    LONGEST_TEXT,
    MAX_DEPTH,
    MAX_LENGTH,
    MAX_OUTLINED,
    NUMBER_TOO_LONG,
    TEXT_TOO_LONG,
    Address,
    CalldataError,
    Encoded,
    Unread,
    Value,
    decode,
    decode_leaving,
    encode,
    outline,
    to_text,
)

values: st.SearchStrategy[Value] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.binary(max_size=40)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
    | st.binary(min_size=20, max_size=20).map(Address),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), inner, max_size=5)
    ),
    max_leaves=20,
)


@given(values)
def test_every_value_survives_the_round_trip(value: Value) -> None:
    assert decode(encode(value)) == value


@given(st.binary(max_size=60))
def test_any_bytes_are_one_canonical_value_or_a_calldata_error(data: bytes) -> None:
    try:
        value = decode(data)
    except CalldataError:
        return
    assert encode(value) == data


@pytest.mark.parametrize("bits", [7 * 48, 7 * 48 + 1, 7 * 56, 7 * 64 - 1, 7 * 64, 2**23])
@pytest.mark.parametrize("sign", [1, -1])
def test_long_integers_are_exact(bits: int, sign: int) -> None:
    for number in ((1 << bits) - 1, 1 << bits, (1 << bits) // 3):
        assert decode(encode(sign * number)) == sign * number


def test_the_number_of_items_can_be_bounded() -> None:
    data = encode([[None] * 50, {"a": [None] * 50}])
    assert decode(data, max_items=103)
    with pytest.raises(CalldataError) as caught:
        decode(data, max_items=102)
    assert caught.value.reason == "too_many_items"


@pytest.mark.parametrize("value", ["é" * 5, "k" * 10, {"k" * 10: 1}, [[{"a": "é" * 5}]]], ids=str)
def test_the_length_of_texts_can_be_bounded(value: Value) -> None:
    data = encode([bytes(100), value])
    assert decode(data, max_text=10) == [bytes(100), value]
    with pytest.raises(CalldataError) as caught:
        decode(data, max_text=9)
    assert caught.value.reason == TEXT_TOO_LONG


@pytest.mark.parametrize("number", [1 << 80, -(1 << 80)], ids=["positive", "negative"])
def test_the_length_of_numbers_can_be_bounded(number: int) -> None:
    data = encode([number])
    assert decode(data, max_text=len(data) - 1) == [number]
    with pytest.raises(CalldataError) as caught:
        decode(data, max_text=len(data) - 2)
    assert caught.value.reason == NUMBER_TOO_LONG


@pytest.mark.parametrize("read", [decode, outline])
def test_long_numbers_count_as_many_items(read: Callable[..., Any]) -> None:
    """They take as long to read, and to write again."""
    numbers = [1 << 8 * 10 * ITEM_OF_NUMBER] * 4
    data, items = encode(numbers), 4 + 4 * 11
    assert len(read(data, max_items=items) or numbers) == 4
    with pytest.raises(CalldataError, match="too_many_items"):
        read(data, max_items=items - 1)


def test_views_and_tuples_encode_like_what_they_hold() -> None:
    assert encode((memoryview(b"ab"), bytearray(b"ab"))) == encode([b"ab", b"ab"])
    assert decode(memoryview(encode(7))) == 7


@pytest.mark.parametrize(
    "value",
    [10**10_000, -(10**10_000), "x" * 10_000, b"x" * 10_000, ["\ud800"] * 1000, {"k" * 10_000: 1}],
    ids=["integer", "negative", "text", "bytes", "surrogates", "key"],
)
def test_text_is_cut_and_never_fails(value: Value) -> None:
    text = to_text(value, 100)
    assert len(text.encode()) < 120
    assert text.endswith("...")


def test_text_of_a_value_nested_too_deeply() -> None:
    value: list[Value] = []
    for _ in range(10_000):
        value = [value]
    assert "..." in to_text(value)


def hollow(value: Value, depth: int = 0) -> Value:
    """What an outline keeps."""
    if isinstance(value, dict) and depth == 0:
        return {key: hollow(item, 1) for key, item in value.items()}
    return type(value)() if isinstance(value, dict | list) else value


@given(values)
def test_an_outline_is_the_value_without_what_is_inside(value: Value) -> None:
    assert outline(encode(value), max_items=MAX_LENGTH) == hollow(value)


def cut_in_a_key() -> bytes:
    """Of a map whose key would be too long for an outline, and is not there."""
    whole = encode({"k" * (LONGEST_TEXT + 1): 1})
    return whole[: whole.index(b"k") + 1]


@given(st.binary(max_size=60))
@example(cut_in_a_key())
def test_an_outline_refuses_what_decoding_refuses(data: bytes) -> None:
    try:
        expected = hollow(decode(data))
    except CalldataError as error:
        with pytest.raises(CalldataError) as refused:
            outline(data, max_items=MAX_LENGTH)
        assert refused.value.reason in (error.reason, TEXT_TOO_LONG)
    else:
        assert outline(data, max_items=MAX_LENGTH) == expected


@pytest.mark.parametrize("before", range(5))
@pytest.mark.parametrize("character", ["a", "é", "€", "\U0001f600"])
def test_an_outline_checks_a_long_text_and_does_not_make_it(character: str, before: int) -> None:
    """Wherever a character lies across two of the pieces in which it is looked at."""
    long = "x" * before + character * (LONG_TEXT + 1)
    assert outline(encode({"a": long, "b": [long], "c": "x" * LONG_TEXT}), max_items=9) == {
        "a": "",
        "b": [],
        "c": "x" * LONG_TEXT,
    }
    broken = encode(long.encode()[:-1] + b"\xff")
    with pytest.raises(CalldataError, match="invalid_utf8"):
        # As bytes are written, but for the kind in the first of them.
        outline(bytes((broken[0] & ~7 | 4,)) + broken[1:], max_items=1)


def test_an_outline_takes_a_number_of_any_length() -> None:
    """It is a contract's, which may have made it."""
    value = {"a": 1 << 8 * LONGEST_TEXT}
    assert outline(encode(value), max_items=LONGEST_TEXT) == value


def test_an_outline_takes_no_key_that_is_longer_than_any_text() -> None:
    assert outline(encode({"k" * LONGEST_TEXT: "x" * LONGEST_TEXT + "x"}), max_items=1)
    with pytest.raises(CalldataError, match=TEXT_TOO_LONG):
        outline(encode({"k" * LONGEST_TEXT + "k": 1}), max_items=1)


def left(value: Value, *, max_items: int = MAX_LENGTH) -> Unread | bytes:
    """What is under `left` in a request that has other things, too."""
    request = decode_leaving(
        encode({"go": {"a": [1], "left": value, "z": {}}}), {"left"}, max_items=max_items
    )
    assert request["go"] == {"a": [1], "left": request["go"]["left"], "z": {}}
    found: Unread | bytes = request["go"]["left"]
    return found


@given(values)
def test_what_is_left_is_there_as_its_bytes(value: Value) -> None:
    found = left(value)
    if isinstance(value, bytes):
        assert found == value
        return
    assert isinstance(found, Unread)
    assert (found.raw, found.is_map) == (encode(value), isinstance(value, dict))
    assert found.outline == outline(found.raw, max_items=MAX_LENGTH)
    assert encode([Encoded(found.raw), {"a": found}]) == encode([value, {"a": value}])


def test_what_is_left_is_checked_as_what_is_read() -> None:
    many: Value = {"a": [None] * 50, "b": {"c": [None]}}
    assert left(many, max_items=59)
    with pytest.raises(CalldataError, match="too_many_items"):
        left(many, max_items=58)
    with pytest.raises(CalldataError, match="truncated_payload"):
        decode_leaving(encode({"go": {"left": [None]}})[:-1], {"left"}, max_items=9)
    large = left(dict.fromkeys(map(str, range(MAX_OUTLINED + 1))))
    assert isinstance(large, Unread)
    assert (large.is_map, large.outline) == (True, None)


def test_what_is_left_may_be_as_deep_as_it_is_put_down() -> None:
    """In a map in a list in a map, as a result has it: else nobody could read that."""
    value: Value = []
    for _ in range(MAX_DEPTH - 4):
        value = [value]
    found = left(value)
    assert decode(encode({"emissions": [{"calldata": found}]}))
    with pytest.raises(CalldataError, match="too_deep"):
        left([value])

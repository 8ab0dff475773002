"""JSON from strangers: what is taken, and what is refused before anything is made of it."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.api.json_text import MOST_BYTES, MOST_ITEMS, BadJson, decode

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@given(VALUES)
def test_what_json_can_say_is_taken(value: Any) -> None:
    assert decode(json.dumps(value).encode()) == value
    assert decode(json.dumps(value, ensure_ascii=False, indent=1).encode()) == value


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        pytest.param(b"", "Expecting value", id="nothing"),
        pytest.param(b"[1] 2", "Extra data", id="two values"),
        pytest.param(b"[" * 129 + b"]" * 129, "nested deeper than 128", id="too deep"),
        pytest.param(b'{"a":' * 1_000_000, "nested deeper than 128", id="deep and never closed"),
        pytest.param(b"[" + b"0," * MOST_ITEMS + b"0]", "more than 50000 items", id="numbers"),
        pytest.param(json.dumps([[]] * MOST_ITEMS).encode(), "more than 50000 items", id="empty lists"),
        pytest.param(b"[" + b'{"a":0},' * MOST_ITEMS + b"0]", "more than 50000 items", id="objects"),
        pytest.param(b'{"a":1,"a":2}', "same key twice", id="a key twice"),
        pytest.param(b'{"a":1,"\\u0061":2}', "same key twice", id="a key in two spellings"),
        pytest.param(b"[NaN]", "NaN is not a number", id="NaN"),
        pytest.param(b"-Infinity", "-Infinity is not a number", id="infinity"),
        pytest.param(b"1e999", "too large", id="a float beyond all"),
        pytest.param(b"9" * 1001, "too many digits", id="an integer of 1001 digits"),
        pytest.param(b"-" + b"9" * 5000, "too many digits", id="an integer of 5000 digits"),
        pytest.param(b'"\\ud800"', "surrogate", id="half a pair"),
        pytest.param(b'{"\\uDFff":1}', "surrogate", id="half a pair as a key"),
        pytest.param(b'[[{"a":[1,"\\udc00\\ud800"]}],"\\ud83d\\ude00"]', "surrogate", id="two halves, deep"),
        pytest.param(b'"\xff"', "not UTF-8 at byte 1", id="no UTF-8"),
        pytest.param(b'\xef\xbb\xbf{"a":1}', "Expecting value", id="a byte order mark"),
        pytest.param('{"a":1}'.encode("utf-16"), "not UTF-8", id="UTF-16"),
        pytest.param('{"a":1}'.encode("utf-16-le"), "Expecting property name", id="UTF-16 without a mark"),
        pytest.param('{"a":1}'.encode("utf-32-be"), "Expecting value", id="UTF-32"),
    ],
)
def test_what_is_refused_says_why(body: bytes, reason: str) -> None:
    with pytest.raises(BadJson, match=reason):
        decode(body)


@pytest.mark.parametrize(
    "text",
    [",[{" * 200_000, '\\"' * 200_000, "\\\\" * 200_000, '\\",[' * 100_000],
    ids=["brackets", "quotes", "backslashes", "both"],
)
def test_what_is_inside_a_text_is_no_item(text: str) -> None:
    assert len(decode(b'["' + text.encode() + b'"]')) == 1


@pytest.mark.parametrize("pieces", [4095, 4096, 4097, 8192, 10_000])
def test_what_comes_behind_a_long_text_is_counted(pieces: int) -> None:
    """However long it is, and whichever step its end is in."""
    text = b'"' + b"\\n," * (pieces // 2) + b"\\n" * (pieces % 2) + b'"'
    items = b"0," * (MOST_ITEMS - 4)
    assert len(decode(b"[" + text + b"," + items + b"0]")) == MOST_ITEMS - 2
    with pytest.raises(BadJson, match="more than 50000 items"):
        decode(b"[" + text + b"," + items + b"0,0,0,0]")


def listed(count: int) -> bytes:
    return b"[ 255 ," + b"7," * (count - 2) + b" 0 ]"


def test_lists_of_bytes_may_be_long_where_pictures_travel() -> None:
    half = listed(MOST_BYTES // 2)
    assert [len(one) for one in decode(b"[" + half + b"," + half + b"]", most_bytes=MOST_BYTES)] == [
        MOST_BYTES // 2
    ] * 2
    for body, most in ((half, 0), (b"[" + half + b"," + half + b"," + half + b"]", MOST_BYTES)):
        with pytest.raises(BadJson, match="more than 50000 items"):
            decode(body, most_bytes=most)


@pytest.mark.parametrize("item", [b"1000", b"-1", b"0.5", b'"7"', b"null", b"[7]", b'"a":1'])
def test_other_lists_are_no_longer_there_than_anywhere(item: bytes) -> None:
    begin, end = (b"{", b"}") if b":" in item else (b"[", b"]")
    body = begin + (item + b",") * MOST_ITEMS + item + end
    with pytest.raises(BadJson, match="more than 50000 items"):
        decode(body, most_bytes=MOST_BYTES)


def test_a_list_of_bytes_is_as_deep_as_any() -> None:
    bytes_of = b"[" + b"1," * MOST_ITEMS + b"1]"
    assert decode(b"[" * 127 + bytes_of + b"]" * 127, most_bytes=MOST_BYTES)
    with pytest.raises(BadJson, match="nested deeper than 128"):
        decode(b"[" * 128 + bytes_of + b"]" * 128, most_bytes=MOST_BYTES)


def test_a_whole_pair_is_a_character() -> None:
    assert decode(b'"\\ud83d\\ude00"') == "\N{GRINNING FACE}"


def test_nothing_is_written_again_to_look_for_half_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Writing all of it is one step, in which nothing else runs."""
    monkeypatch.setattr("json.encoder.c_make_encoder", None)
    monkeypatch.setattr("json.encoder._make_iterencode", None)
    assert decode(b'{"\\ud83d\\ude00":["\\ud83d\\ude00"]}') == {"\N{GRINNING FACE}": ["\N{GRINNING FACE}"]}


def test_the_deepest_and_the_most_that_is_taken() -> None:
    assert decode(b"[" * 128 + b"]" * 128)
    assert len(decode(b"[" + b"0," * (MOST_ITEMS - 2) + b"0]")) == MOST_ITEMS - 1


def test_a_bomb_costs_nothing_before_it_is_refused() -> None:
    body = json.dumps([[]] * 300_000).encode()
    tracemalloc.start()
    try:
        with pytest.raises(BadJson):
            decode(body)
        assert tracemalloc.get_traced_memory()[1] < 64 * 1024
    finally:
        tracemalloc.stop()

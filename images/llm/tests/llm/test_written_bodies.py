"""What is sent to a provider is written as JSON, and never takes the machine for itself."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genvm_llm.merging import Json
from genvm_llm.posting import written
from genvm_llm.providers.exchange import Call

values: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


def call(value: Json) -> Call:
    return Call("", {}, {"x": value})


@given(values)
def test_it_is_what_was_to_be_sent(value: Json) -> None:
    try:
        expected = json.dumps({"x": value}, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError:
        with pytest.raises(ValueError, match="surrogates"):
            written(call(value))
    else:
        assert written(call(value)) == expected


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_what_is_no_number_in_json_is_refused(number: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        written(call([number]))


def test_it_is_written_step_by_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """What writes all in one step would let no other thread run meanwhile."""

    def in_one_step(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr("json.encoder.c_make_encoder", in_one_step)
    assert written(call([0.5] * 3)) == b'{"x": [0.5, 0.5, 0.5]}'

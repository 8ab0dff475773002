"""JSON, filters, templates, merging, timeouts (modules 2.1, 2.4–2.7; behaviours 19–21, 24)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genvm_llm import filters
from genvm_llm.configuration import read_config
from genvm_llm.json_completion import complete
from genvm_llm.json_text import NotAnObject, clean, parse_object
from genvm_llm.merging import MergeRefused, check_strategy, merge
from genvm_llm.templates import KINDS, Template, TemplateUnusable, check_template
from genvm_llm.timeouts import TimeoutMalformed, seconds

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(JSON, st.booleans(), st.sampled_from([None, 1]))
def test_every_beginning_of_a_json_document_completes_to_json(
    value: Any, ascii_only: bool, indent: Any
) -> None:
    document = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    for end in range(len(document) + 1):
        json.loads(complete(document[:end]))
    assert json.loads(complete(document)) == value


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("", "{}"),
        ('```json\n{"a": 1}\n```', '{"a": 1}'),
        ('{"a', '{"a":null}'),
        ('{"a"', '{"a":null}'),
        ('{"a":', '{"a":null}'),
        ('{"a":1,', '{"a":1}'),
        ('{"a":tr', '{"a":true}'),
        ('{"a":[1,', '{"a":[1]}'),
        ('{"a":"x\\', '{"a":"x"}'),
        ('{"a":"x\\u00', '{"a":"x"}'),
        ('{"a":"\\ud83d', '{"a":""}'),
        ('{"a":"\\ud83d\\ude00', '{"a":"\\ud83d\\ude00"}'),
        ('{"a":"\\\\u00', '{"a":"\\\\u00"}'),
        ('{"a":-', '{"a":-0}'),
        ('{"a":1e', '{"a":1e0}'),
        ('{"a":{"b":[1,{"c":"d', '{"a":{"b":[1,{"c":"d"}]}}'),
        ('Sure, {"a":1}', 'Sure, {"a":1}'),
    ],
)
def test_cleaning(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


def test_an_object_inside_chatter_is_found() -> None:
    assert parse_object('Sure, {"a":1} is it')[0] == {"a": 1}


@pytest.mark.parametrize(
    "text", ["[1]", '"x"', "12", "nonsense", '{"a": NaN}', "[" * 5000, '{"a":' * 200 + "1" + "}" * 200]
)
def test_what_is_no_object(text: str) -> None:
    with pytest.raises(NotAnObject):
        parse_object(text)


@pytest.mark.parametrize(
    ("number", "carried"),
    [
        ("1", 1),
        ("-5", -5),
        ("18446744073709551616", "18446744073709551616"),
        ("1.50", "1.50"),
        ("1e3", "1000"),
    ],
)
def test_numbers_on_w(number: str, carried: Any) -> None:
    assert parse_object(f'{{"a": [{number}]}}')[0] == {"a": [carried]}


def test_a_number_of_a_billion_digits_takes_no_memory() -> None:
    assert parse_object('{"a": 1e999999999}')[0] == {"a": "1E+999999999"}


def test_half_a_character_does_not_leave_the_module() -> None:
    value, text = parse_object('{"a": "\\ud83d!"}')
    assert value == {"a": "?!"}
    assert json.loads(text) == {"a": "?!"}


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("a \n\n\n\n b", "a\n\nb"),
        ("  a  b ", "a b"),
        ("a\t\tb\r\nc", "a b\nc"),
        ("\n\na\n", "a\n"),
        ("a\u00a0\u3000b", "a b"),
    ],
)
def test_whitespace(text: str, normal: str) -> None:
    assert filters.normalize_whitespace(text) == normal


@given(st.text(alphabet=" \n\t\ra\u00a0\u200b\u2028b"))
def test_whitespace_invariants(text: str) -> None:
    normal = filters.apply(text, ["RmZeroWidth", "NormalizeWS"])
    assert not set(normal) - set(" \nab")
    assert not any(bad in normal for bad in ("  ", " \n", "\n ", "\n\n\n"))
    assert not normal.endswith(" ")
    assert not normal.startswith((" ", "\n"))
    assert filters.apply(normal, ["RmZeroWidth", "NormalizeWS"]) == normal


def test_a_tab_does_not_glue_words() -> None:
    assert filters.remove_zero_width("a\tb\u200bc\x00") == "a bc"


@pytest.mark.parametrize(
    "value", ["#{task}", "#{principle}", "%1", "\\1", "$1", "${ENV[KEY]}", "</principle>"]
)
def test_values_appear_literally_and_are_never_looked_at_again(value: str) -> None:
    template = Template("", "<#{leader_answer}|#{validator_answer}|#{principle}|#{other}>")
    filled = template.filled({"leader_answer": value, "validator_answer": "v", "principle": value})
    assert filled == f"<{value}|v|{value}|#{{other}}>"


def test_the_shipped_templates_have_their_variables_and_ask_for_the_reason_first() -> None:
    templates = read_config({}, allow_empty_backends=True).templates
    for kind in KINDS.values():
        check_template(kind.key, templates[kind.key])
        if kind.decides:
            user = templates[kind.key].user
            assert user.index('"reason"') < user.index('"result"')


def test_a_template_without_its_variable_is_refused() -> None:
    with pytest.raises(TemplateUnusable, match="principle"):
        check_template("eq_comparative", Template("", "#{leader_answer} #{validator_answer}"))


@pytest.mark.parametrize(
    ("existing", "extra", "strategy", "merged"),
    [
        ({"a": {"b": 1}}, {"a": {"c": 2}}, None, {"a": {"b": 1, "c": 2}}),
        ({"a": 1}, {"a": 2}, "none", {"a": 2}),
        ({"a": [1]}, {"a": [2]}, "replace", {"a": [2]}),
        ({"a": [1], "z": 0}, {"b": 1}, "replace", {"b": 1}),
        ({"a": [1]}, {"a": [2]}, {"a": "merge_left"}, {"a": [1, 2]}),
        ({"a": [1]}, {"a": [2]}, {"a": "merge_right"}, {"a": [2, 1]}),
        ({"a": "x"}, {"a": "y"}, {"a": "merge_left"}, {"a": "xy"}),
        ({"a": "x"}, {"new": [1]}, {"new": "merge_left"}, {"a": "x", "new": [1]}),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, {"a": {"b": None}}, {"a": {"b": 2}}),
    ],
)
def test_merging(existing: Any, extra: Any, strategy: Any, merged: Any) -> None:
    assert merge(existing, extra, check_strategy(strategy)) == merged


@pytest.mark.parametrize(
    ("existing", "extra", "strategy"),
    [
        ({"a": [1]}, {"a": [2]}, "none"),
        ({"a": 1}, {"a": 2}, {"a": "merge_left"}),
        ({"a": "x"}, {"a": [1]}, {"a": "merge_right"}),
        ({"a": 1}, {"a": {"b": 1}}, {"a": {"b": "none"}}),
        ({}, {}, "sideways"),
        ({}, {}, {"a": "sideways"}),
        ({}, {}, 5),
    ],
)
def test_merging_refused(existing: Any, extra: Any, strategy: Any) -> None:
    with pytest.raises(MergeRefused):
        merge(existing, extra, check_strategy(strategy))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (3, 3.0),
        (0, 0.0),
        (1.5, 1.5),
        ("500ms", 0.5),
        ("1.5s", 1.5),
        ("2m", 120.0),
        ("1.5", 1.5),
    ],
)
def test_timeouts(value: Any, expected: Any) -> None:
    assert seconds(value) == expected


@pytest.mark.parametrize(
    "value", [-1, float("inf"), float("nan"), True, "", "s", "1h", "-1s", "1e3s", [], {}]
)
def test_timeouts_refused(value: Any) -> None:
    with pytest.raises(TimeoutMalformed):
        seconds(value)

"""`${…}` in configurations (modules 2.2), and what JSON may hold that calldata cannot."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestrator.modules.failures import BadConfiguration
from orchestrator.modules.templating import MOST_DEPTH, MOST_REPLACED, Template

ENVIRONMENT = {"SET": "value", "EMPTY": "", "TRICKY": "${exeDir} \\1 $0"}
NAMES = {"exeDir": "/opt/bin", "genvmVersion": "1.2.3"}


def template() -> Template:
    return Template(NAMES, ENVIRONMENT.get)


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("${ENV[SET]}", "value"),
        ("a ${ENV[SET]} b ${ENV[SET]}", "a value b value"),
        ("${ENV[UNSET]}", ""),
        ("${ENV[EMPTY]}x", "x"),
        ("${ENV[]}", ""),
        ("${exeDir}/lua ${genvmVersion}", "/opt/bin/lua 1.2.3"),
        ("${ENV[TRICKY]}", "${exeDir} \\1 $0"),
        ("${ENV[<no-key>]}", "${ENV[<no-key>]}"),
        ("${ENV[SET}", "${ENV[SET}"),
        ("${not-a-name}", "${not-a-name}"),
        ("$exeDir #{name} $${ENV[SET]}", "$exeDir #{name} $value"),
        ("${ENV[SÉT]}", "${ENV[SÉT]}"),
    ],
    ids=[
        "set", "twice", "unset", "empty", "no name", "plain names", "not scanned again", "keyless backend",
        "open", "no identifier", "other syntaxes", "not ascii",
    ],
)  # fmt: skip
def test_a_text_is_expanded_once_and_exactly(text: str, expanded: str) -> None:
    assert template().expand(text) == expanded


@pytest.mark.parametrize("name", ["genvmroot", "", "ENV"])
def test_any_other_name_is_an_error_that_names_it(name: str) -> None:
    with pytest.raises(BadConfiguration, match=f"^unknown variable `{name}`$"):
        template().expand({"a": ["${" + name + "}"]})


def test_a_long_name_is_not_repeated_whole() -> None:
    with pytest.raises(BadConfiguration) as caught:
        template().text("${" + "x" * 1_000_000 + "}")
    assert len(str(caught.value)) < 200


def test_values_are_expanded_at_any_depth_and_keys_are_not() -> None:
    config = {"${ENV[SET]}": [{"a": "${ENV[SET]}"}, 1, True, None]}
    assert template().expand(config) == {"${ENV[SET]}": [{"a": "value"}, 1, True, None]}


@pytest.mark.parametrize(
    ("number", "text"), [(0.7, "0.7"), (1e-7, "0.0000001"), (1e22, "10000000000000000000000"), (-2.5, "-2.5")]
)
def test_a_fraction_becomes_decimal_text(number: float, text: str) -> None:
    assert template().expand({"t": number}) == {"t": text}


@pytest.mark.parametrize(
    "value",
    [json.loads("NaN"), json.loads("-Infinity"), {1: "a"}, {"a": object()}, {"a": b"bytes"}],
    ids=["nan", "infinity", "key", "object", "bytes"],
)
def test_what_is_not_json_is_refused(value: Any) -> None:
    with pytest.raises(BadConfiguration):
        template().expand(value)


def test_variables_put_in_so_much_and_no_more() -> None:
    whole = Template({}, {"A": "x" * 1024}.get)
    assert len(str(whole.expand(["${ENV[A]}"] * 1024))) > MOST_REPLACED
    with pytest.raises(BadConfiguration, match="more than 1048576 characters"):
        whole.expand("${ENV[A]}")


def test_a_configuration_is_not_endlessly_deep() -> None:
    deep: Any = "end"
    for _ in range(MOST_DEPTH + 1):
        deep = [deep]
    with pytest.raises(BadConfiguration, match="deep"):
        template().expand(deep)


def test_it_remembers_what_came_from_the_environment_and_shows_it_to_nobody() -> None:
    one = template()
    one.expand("${ENV[SET]}")
    assert one.taken == {"value"}
    assert "value" not in repr(one)


@pytest.mark.parametrize(
    ("host", "place"),
    [
        ("http://h", "http://h"),
        ("http://${ENV[UNSET]}h", "http://h"),
        ("file://${exeDir}", "file:///opt/bin"),
    ],
)
def test_a_host_is_written_out(host: str, place: str) -> None:
    assert template().expand({"backends": [{"host": host}]}) == {"backends": [{"host": place}]}


def test_a_host_with_a_value_of_the_environment_is_refused() -> None:
    with pytest.raises(BadConfiguration, match=r"\$\{ENV\[SET\]\} may not stand in it"):
        template().expand({"backends": {"main": {"host": "http://h/${ENV[SET]}"}}})

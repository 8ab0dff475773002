"""Fatal answers stay whole when there is much to tell (modules 1.10)."""

from __future__ import annotations

import json

import pytest

from genvm_module.errors import FATAL_TEXT_LIMIT, fatal_answer
from genvm_wire.calldata import Value

LONG = "x" * 3 * FATAL_TEXT_LIMIT
ATTEMPT: Value = {
    "backend": "b",
    "model": LONG,
    "kind": "rate_limit",
    "cause": "STATUS_NOT_OK",
    "status": 429,
}


@pytest.mark.parametrize(
    ("causes", "ctx"),
    [
        (["SENDING_REQUEST"], {"url": LONG}),
        (["SENDING_REQUEST"], {"url": 'ü"\\\n' * FATAL_TEXT_LIMIT}),
        (["INTERNAL", LONG], {}),
        (["NO_PROVIDER_FOR_PROMPT"], {"attempts": [ATTEMPT] * 100}),
        (["INTERNAL"], {LONG + str(number): LONG for number in range(200)}),
        (["INTERNAL"] * 5000, {}),
    ],
    ids=["long", "escaped", "cause", "attempts", "keys", "causes"],
)
def test_a_long_error_is_shortened_and_not_cut_off(causes: list[str], ctx: dict[str, Value]) -> None:
    text = fatal_answer(causes, ctx)["FatalError"]
    assert isinstance(text, str)
    assert len(text.encode()) <= FATAL_TEXT_LIMIT
    told = json.loads(text)
    assert (told["causes"][0], told["fatal"]) == (causes[0], True)


def test_attempts_keep_their_status_when_they_are_many() -> None:
    text = fatal_answer(["NO_PROVIDER_FOR_PROMPT"], {"attempts": [ATTEMPT] * 100})["FatalError"]
    assert isinstance(text, str)
    assert json.loads(text)["ctx"]["attempts"][0]["status"] == 429


def test_a_short_error_is_told_as_it_is() -> None:
    ctx: dict[str, Value] = {
        "url": "https://a.com/ä",
        "status": 503,
        "body": b"secret",
        "headers": {"a": b"b"},
    }
    assert fatal_answer(["A", "B"], ctx) == {
        "FatalError": '{"causes":["A","B"],"fatal":true,"ctx":{"url":"https://a.com/ä","status":503}}'
    }


def test_of_many_attempts_the_last_is_told() -> None:
    told = json.loads(str(fatal_answer(["ALL_FAILED"], {"tries": list(range(40))})["FatalError"]))
    assert told["ctx"]["tries"] == [*range(15), 39]

"""Which no is which: recorded answers of an API server as the port's failures."""

from __future__ import annotations

import json

import pytest

from orchestrator.runtime.kubernetes.failures import (
    AlreadyExists,
    Busy,
    Conflict,
    Expired,
    NoRoom,
    NotFound,
    ServerAnswer,
    Throttled,
    Unauthorized,
    Unreadable,
    Unsigned,
    failure_of,
    wait_after,
)
from orchestrator.runtime.port import EngineRefused, RuntimeFailure
from tests.kubernetes.kube_vectors import Recorded, answer, answers

KINDS: dict[str, type[RuntimeFailure]] = {
    "pod-create-again": AlreadyExists,
    "create-while-terminating": AlreadyExists,
    "pod-missing": NotFound,
    "namespace-missing": NotFound,
    "unknown-endpoint": Unreadable,
    "put-stale": Conflict,
    "patch-stale-rv": Conflict,
    "delete-wrong-uid": Conflict,
    "claim-b": Conflict,
    "lease-race-2": Conflict,
    "list-exact-old": Expired,
    "bad-token": Unauthorized,
    "quota-exceeded-count": NoRoom,
    "quota-exceeded-memory": NoRoom,
    "quota-while-terminating": NoRoom,
    "too-many-requests": Throttled,
    "evict-against-pdb": Throttled,
    "list-rv-future": Busy,
    "request-timeout-1ms": Busy,
    "log-kubelet-down": Busy,
}
"""Every other recorded no is plain: the same request gets the same answer."""


def _sent(recorded: Recorded) -> ServerAnswer:
    said = recorded.answer
    body = said if isinstance(said, str) else json.dumps(said)
    return ServerAnswer(recorded.status, body.encode(), recorded.retry_after)


@pytest.mark.parametrize("recorded", [a for a in answers() if a.status >= 400], ids=lambda a: a.name)
def test_every_recorded_no_is_what_it_is(recorded: Recorded) -> None:
    by_code = {404: NotFound, 409: Conflict, 410: Expired}
    usual = by_code.get(recorded.status, EngineRefused)
    if recorded.status == 409 and recorded.answer["reason"] == "AlreadyExists":
        usual = AlreadyExists
    assert type(failure_of(_sent(recorded))) is KINDS.get(recorded.name, usual)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("quota-exceeded-count", "exceeded quota: rq"),
        ("podsecurity-root", 'violates PodSecurity "restricted:latest"'),
        ("quota-must-specify", "must specify limits.memory"),
        ("limitrange-over-max", "maximum memory usage per Container is 128Mi"),
        ("serviceaccount-missing", "error looking up service account"),
        ("sa-list-all", "cannot list resource"),
        ("pod-unknown-field-strict", 'unknown field "bogus"'),
        ("too-many-requests", "429: Too many requests"),
    ],
)
def test_a_no_says_why(name: str, words: str) -> None:
    assert words in str(failure_of(_sent(answer(name))))


def test_a_refused_pods_own_text_is_not_repeated() -> None:
    """The answer to a change that is not allowed has the whole spec in it, tokens in the environment too."""
    said = {
        "kind": "Status",
        "reason": "Invalid",
        "message": 'Pod "a" is invalid: spec: Forbidden: … {"name":"GENVM_TOKEN","value":"secret"}',
        "details": {"causes": [{"reason": "FieldValueForbidden", "field": "spec", "message": "… secret …"}]},
        "code": 422,
    }
    text = str(failure_of(ServerAnswer(422, json.dumps(said).encode())))
    assert text == "Invalid: spec FieldValueForbidden"


def test_a_body_that_is_no_json_is_not_repeated() -> None:
    assert "nope" not in str(failure_of(_sent(answer("body-not-json"))))


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("1", 1.0), (" 30 ", 30.0), (None, None), ("Wed, 21 Oct 2026", None), ("-1", None), ("²", None)],
)
def test_how_much_later(header: str | None, seconds: float | None) -> None:
    failure = failure_of(ServerAnswer(429, b"Too many requests, please try again later.\n", header))
    assert isinstance(failure, Busy)
    assert failure.retry_after == seconds


def test_how_much_later_is_in_the_body_too() -> None:
    failure = failure_of(ServerAnswer(504, json.dumps(answer("list-rv-future").answer).encode()))
    assert isinstance(failure, Busy)
    assert failure.retry_after == 1.0


@pytest.mark.parametrize("body", [b'{"kind": "Status"}', b'{"kind": "Status", "details": 3}'])
def test_an_answer_of_any_shape_is_a_failure(body: bytes) -> None:
    assert type(failure_of(ServerAnswer(418, body))) is EngineRefused


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff\xfe", b"<html>log in first</html>"])
@pytest.mark.parametrize("status", [302, 403, 418, 522])
def test_a_no_that_is_no_object_may_be_anybodys(status: int, body: bytes) -> None:
    assert type(failure_of(ServerAnswer(status, body))) is Unsigned


@pytest.mark.parametrize(
    ("failure", "seconds"),
    [
        (Busy("later", 7.0), 7.0),
        (Busy("later", 1.0), 2.0),
        (Busy("later"), 2.0),
        (Throttled("a page that says an hour", 3600.0), 30.0),
        (Unreadable("a page"), 2.0),
    ],
)
def test_who_asks_for_time_gets_it_within_reason(failure: RuntimeFailure, seconds: float) -> None:
    assert wait_after(failure, 2.0) == seconds

"""How long crashes under a key are remembered, and which."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.executions.keys import RunKey
from orchestrator.executions.poison import MOST_KEYS, Poison
from orchestrator.executions.refusals import Poisoned
from orchestrator.executions.request import RunRequest
from orchestrator.executions.state import Cause, Outcome
from tests.unit.executions.heart_stage import request

BEGUN = datetime(2026, 1, 1, tzinfo=UTC)
MOMENT = timedelta(microseconds=1)
REMEMBERED = timedelta(hours=1)


def asked(key: str) -> RunRequest:
    return replace(request("unix:///h"), idempotency_key=key)


def crashed(poison: Poison, run_id: int, key: str, at: datetime = BEGUN) -> None:
    poison.add(run_id, RunKey(asked(key).namespace, "unix:///h", key), Cause.OOM, at)


def test_crashes_are_remembered_for_a_while_after_the_last() -> None:
    poison = Poison(REMEMBERED)
    last = BEGUN + REMEMBERED - MOMENT
    crashed(poison, 1, "tx")
    crashed(poison, 2, "tx", last)
    with pytest.raises(Poisoned, match="2 times, the last time as run 2 with cause oom"):
        poison.check(asked("tx"), last + REMEMBERED - MOMENT)
    poison.check(asked("tx"), last + REMEMBERED)
    assert len(poison) == 0


def test_one_that_is_told_of_again_counts_once() -> None:
    poison = Poison(REMEMBERED)
    for _ in range(2):
        crashed(poison, 1, "tx")
    poison.check(asked("tx"), BEGUN)


@pytest.mark.parametrize("cause", Cause)
def test_what_counts_is_how_an_instance_ended_by_itself(cause: Cause) -> None:
    crash = Outcome(cause, BEGUN, host_connected=True)
    assert crash.crashed == (cause in {Cause.OOM, Cause.SIGNAL, Cause.EXITED})
    assert not replace(crash, host_connected=False).crashed
    assert not replace(crash, result=b"").crashed


def test_the_keys_that_crashed_last_are_remembered() -> None:
    poison = Poison(REMEMBERED)
    for number in range(MOST_KEYS):
        crashed(poison, number, str(number))
    crashed(poison, MOST_KEYS, "0")
    crashed(poison, MOST_KEYS + 1, "another")
    assert len(poison) == MOST_KEYS
    with pytest.raises(Poisoned):
        poison.check(asked("0"), BEGUN)
    crashed(poison, MOST_KEYS + 2, "1")
    poison.check(asked("1"), BEGUN)

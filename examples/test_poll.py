"""Keyword-only parameters, arrays of fixed length, sandboxes, methods that are not there, the schema."""

import json

import pytest

from orchestrator.testing import UserError


@pytest.fixture
def poll(chain):
    return chain.deploy("poll.py", kwargs={"weight": 2**70})


def test_votes_are_counted_and_changed_only_by_force(poll, accounts):
    poll.call("vote", 1)
    poll.call("vote", 1, sender=accounts[1])
    with pytest.raises(UserError, match="you have voted"):
        poll.call("vote", 0)
    poll.call("vote", 0, kwargs={"force": True})
    assert poll.view("result") == [2**70, 2**70, 0]


def test_a_rule_that_fails_does_not_take_the_contract_along(poll):
    poll.call("vote", 2)
    assert poll.view("decide", 1) == 1
    assert poll.view("decide", 0) == "exit_code 1"


def test_any_name_has_an_answer(poll):
    assert poll.call("dance", 1, 2) == "no dance here, but 2 arguments"


def test_the_schema_says_what_callers_may_send(chain):
    schema = json.loads(chain.schema("poll.py"))
    assert schema["ctor"] == {"params": [], "kwparams": {"weight": "int"}}
    assert schema["methods"]["vote"]["min_gas_leader"] == 1000

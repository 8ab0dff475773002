"""Records in storage, events with blobs, errors that are values; schema of the second generation."""

import json

import pytest

from orchestrator.testing import UserError


@pytest.fixture
def poll(chain):
    return chain.deploy("ballot.py", "Tea?", ["yes", "no", "later"])


def refusal(poll, method, *args, **how):
    with pytest.raises(UserError) as caught:
        poll.call(method, *args, **how)
    return caught.value.data


def test_one_vote_for_each(poll, accounts):
    assert poll.call("vote", 0, sender=accounts[1]) == 1
    assert poll.call("vote", 2, sender=accounts[2]) == 2
    assert poll.call("vote", 2, sender=accounts[3]) == 3
    assert refusal(poll, "vote", 1, sender=accounts[1]) == {"code": "voted", "choice": 0}
    assert refusal(poll, "vote", 9) == {"code": "unknown", "choice": 9}
    assert poll.view("result") == {"yes": 1, "no": 0, "later": 2}
    first = poll.events("Voted(voter)")[0]
    assert first.data == {"choice": "yes", "voter": accounts[1]}


def test_only_its_owner_closes_it(poll, accounts):
    poll.call("vote", 1)
    assert refusal(poll, "close", sender=accounts[1]) == {"code": "owner", "owner": accounts[0]}
    assert poll.call("close") == "no"
    assert refusal(poll, "vote", 1, sender=accounts[1]) == {"code": "closed"}


def test_a_constructor_may_refuse(chain):
    with pytest.raises(UserError, match="few"):
        chain.deploy("ballot.py", "Tea?", ["yes"])


def test_its_schema(chain):
    schema = json.loads(chain.schema("ballot.py"))
    assert schema["ctor"]["params"] == [["question", "string"], ["choices", [{"$rep": "string"}]]]
    assert schema["methods"]["result"] == {
        "kwparams": {},
        "params": [],
        "readonly": True,
        "ret": {"$dict": "int"},
    }

"""Contracts that deploy contracts, and what becomes of the messages between them."""

from pathlib import Path

import pytest

from orchestrator.testing import CallFailed

POLL = (Path(__file__).parent / "ballot.py").read_bytes()


@pytest.fixture
def workshop(chain):
    return chain.deploy("workshop.py", POLL)


def test_what_it_deploys_is_where_it_said(chain, workshop):
    made = workshop.call("make", "Tea?", ["yes", "no"])
    assert chain.at(made).view("result") == {"yes": 0, "no": 0}
    (event,) = workshop.events("Opened(poll)")
    assert event.data == {"poll": made, "question": "Tea?"}


def test_messages_wait_for_their_state(chain, workshop):
    poll = chain.at(workshop.call("make", "Tea?", ["yes", "no"]))
    with chain.holding():
        workshop.call("vote", poll.address, 1)
        workshop.call("vote", poll.address, 0, False)
        assert poll.view("result") == {"yes": 0, "no": 0}
        chain.accept()
        assert poll.view("result") == {"yes": 0, "no": 1}
        (refused,) = chain.finalize()
    assert (refused.result.kind, refused.result.data) == ("UserError", {"code": "voted", "choice": 1})


def test_a_callee_that_is_not_there_is_an_error_to_catch_or_not(chain, workshop, accounts):
    workshop.call("make", "Tea?", ["yes", "no"])
    workshop.call("make", "Broken?", ["only one"])
    assert workshop.view("results") == [{"yes": 0, "no": 0}, None]
    with pytest.raises(CallFailed, match="runner absent"):
        workshop.view("ask", accounts[7])

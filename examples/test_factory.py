"""Contracts that deploy contracts and send them messages."""

from pathlib import Path

import pytest

COUNTER = (Path(__file__).parent / "counter.py").read_bytes()


@pytest.fixture
def factory(chain):
    return chain.deploy("factory.py", COUNTER)


def test_what_it_deploys_is_where_it_said(chain, factory):
    address = factory.call("make", 5)
    assert chain.at(address).view("get") == 5
    assert factory.view("addresses") == [address]
    assert factory.view("total") == 5


def test_messages_wait_for_their_state(chain, factory):
    made = chain.at(factory.call("make"))
    with chain.holding():
        factory.call("add_to_all", 1)
        factory.call("add_to_all", 10, False)
        assert made.view("get") == 0
        chain.accept()
        assert made.view("get") == 1
        chain.finalize()
        assert made.view("get") == 11
    assert made.view("summary")["last"] == factory.address


def test_receipts_show_what_came_of_what(chain, factory, accounts):
    sent = factory.send("make", sender=accounts[1])
    (event,) = factory.events("Made(maker)")
    assert event.data == {"maker": accounts[1], "address": sent.data, "number": 1}
    (deployed,) = sent.delivered
    assert (deployed.kind, deployed.parent, deployed.origin) == ("deploy", sent.receipt.hash, accounts[1])
    assert sent.receipt.messages[0].delivery == deployed.hash

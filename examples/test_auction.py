"""Money and time."""

import pytest

from orchestrator.testing import UserError


@pytest.fixture
def auction(chain):
    return chain.deploy("auction.py", 3600)


def test_who_is_outbid_is_paid_back_at_once(chain, auction, accounts):
    _, bob, carol = accounts[:3]
    before = chain.balance(bob)
    auction.call("bid", sender=bob, value=5)
    assert chain.balance(bob) == before - 5
    with chain.holding():
        auction.call("bid", sender=carol, value=7)
        assert (auction.balance, chain.balance(bob)) == (7, before - 5)
        chain.accept()
        assert chain.balance(bob) == before
    with pytest.raises(UserError, match="bid more than 7"):
        auction.call("bid", sender=bob, value=7)


def test_the_seller_is_paid_once_it_is_final(chain, auction, accounts):
    seller = accounts[0]
    before = chain.balance(seller)
    auction.call("bid", sender=accounts[1], value=9)
    chain.advance(seconds=3600)
    with pytest.raises(UserError, match="over"):
        auction.call("bid", sender=accounts[2], value=10)
    with chain.holding():
        auction.call("close")
        chain.accept()
        assert chain.balance(seller) == before
        chain.finalize()
        assert chain.balance(seller) == before + 9
    assert auction.view("state")["closed"] is True


def test_money_that_nobody_takes_comes_back(chain, auction, accounts):
    """The bidder is a contract, and one that takes no money."""
    counter = chain.deploy("counter.py")
    chain.set_balance(counter, 5)
    auction.call("bid", sender=counter.address, value=5)
    sent = auction.send("bid", sender=accounts[1], value=6)
    assert [one.kind for one in sent.delivered] == ["call", "error"]
    assert auction.view("left_behind") == 5
    assert (auction.balance, counter.balance) == (11, 0)

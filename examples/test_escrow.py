"""Money that waits, time that passes, errors that are values."""

import pytest

from orchestrator.testing import UserError


@pytest.fixture
def escrow(chain):
    return chain.deploy("escrow.py")


def test_a_buyer_releases_what_was_locked(chain, escrow, accounts):
    buyer, seller = accounts[1:3]
    assert escrow.call("lock", seller, 7, "a bicycle", sender=buyer, value=30) == 1
    assert escrow.view("held") == {"balance": 30, "open": 1}
    with pytest.raises(UserError) as caught:
        escrow.call("release", 1, sender=seller)
    assert caught.value.data == {"code": "buyer", "buyer": buyer}
    before = chain.balance(seller)
    escrow.call("release", 1, sender=buyer)
    assert chain.balance(seller) == before + 30
    assert escrow.view("held") == {"balance": 0, "open": 0}
    (event,) = escrow.events("Released(deal,seller)")
    assert event.data == {"deal": 1, "seller": seller, "amount": 30, "note": "a bicycle"}


def test_money_goes_back_once_the_time_is_over(chain, escrow, accounts):
    buyer, seller = accounts[1:3]
    escrow.call("lock", seller, 7, sender=buyer, value=5)
    with pytest.raises(UserError) as caught:
        escrow.call("refund", 1)
    assert caught.value.data == {"code": "early", "until": "2026-01-08T00:00:00+00:00"}
    before = chain.balance(buyer)
    chain.advance(days=7)
    escrow.call("refund", 1)
    assert chain.balance(buyer) == before + 5


def test_a_call_that_fails_keeps_nothing(escrow, accounts):
    with pytest.raises(UserError, match="empty"):
        escrow.call("lock", accounts[1], 1)
    with pytest.raises(UserError, match="unknown"):
        escrow.call("release", 1)
    assert escrow.view("held") == {"balance": 0, "open": 0}

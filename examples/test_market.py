"""Pages that nodes see differently, other contracts that fail, deposits."""

import pytest

from orchestrator.testing import Address, UserError

URL = "https://prices.example/tea"


@pytest.fixture
def feed(chain):
    return chain.deploy("market.py", Address(b"\xee" * 20))


@pytest.fixture
def market(chain, feed):
    return chain.deploy("market.py", feed.address)


@pytest.mark.parametrize(("seen", "votes"), [(3.16, ("agree", "agree")), (3.5, ("agree", "disagree"))])
def test_prices_that_are_near_agree(chain, market, pages, seen, votes):
    chain.validators = 2
    pages.mock(URL, {"price": 3.14})
    pages.mock(URL, {"price": seen}, at=2)
    assert market.send("observe", "tea", URL).receipt.votes == votes
    assert market.view("price", "tea") == 314


@pytest.mark.parametrize(
    ("page", "status", "error"), [("gone", 503, {"status": 503}), ("no JSON", 200, "exit_code 1")]
)
def test_a_block_that_fails_is_the_contract_s_to_handle(market, pages, page, status, error):
    pages.mock(URL, page, status=status)
    assert market.call("observe", "tea", URL) == {"error": error}


def test_it_copies_from_another_contract(feed, market, pages):
    pages.mock(URL, {"price": 3.14})
    assert market.call("copy", "tea") == {"error": "no price"}
    feed.call("observe", "tea", URL)
    assert market.call("copy", "tea") == 314
    assert feed.call("copy", "tea") == {"error": "invalid_contract runner absent"}


def test_deposits_come_back(chain, market, accounts):
    saver = accounts[4]
    before = chain.balance(saver)
    assert market.call("deposit", sender=saver, value=40) == 40
    with pytest.raises(UserError) as caught:
        market.call("withdraw", 41, sender=saver)
    assert caught.value.data == {"held": 40}
    assert market.call("withdraw", 15, sender=saver) == 25
    assert chain.balance(saver) == before - 25

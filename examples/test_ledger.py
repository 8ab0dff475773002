"""Snapshots: one deployment, several stories that begin with it."""

import pytest

from orchestrator.testing import UserError


@pytest.fixture
def gold(chain):
    return chain.deploy("ledger.py", "Gold", 100)


def test_transfers_move_what_is_owned(gold, accounts):
    alice, bob = accounts[:2]
    gold.call("transfer", bob, 30, kwargs={"note": "rent"})
    assert [gold.view("balance_of", who) for who in (alice, bob)] == [70, 30]
    with pytest.raises(UserError, match="insufficient balance: 30 < 31"):
        gold.call("transfer", alice, 31, sender=bob)


def test_stories_do_not_disturb_each_other(chain, gold, accounts):
    _, bob, carol = accounts[:3]
    gold.call("approve", bob, 50)
    approved = chain.snapshot()
    gold.call("transfer_from", accounts[0], carol, 50, sender=bob)
    assert gold.view("balance_of", carol) == 50
    chain.revert(approved)
    assert gold.view("balance_of", carol) == 0
    assert gold.view("allowance", accounts[0], bob) == 50

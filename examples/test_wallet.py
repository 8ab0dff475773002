"""Money without a method, records in storage, several senders."""

import pytest

from orchestrator.testing import UserError


def test_money_goes_out_when_enough_owners_approve(chain, accounts):
    alice, bob, carol, shop = accounts[:4]
    wallet = chain.deploy("wallet.py", [alice, bob, carol], 2)
    wallet.call("", sender=shop, value=50)
    assert wallet.view("summary") == {"balance": 50, "received": 50, "proposals": 0}
    number = wallet.call("propose", shop, 20, sender=alice)
    before = chain.balance(shop)
    assert wallet.call("approve", number, sender=alice) is False
    with pytest.raises(UserError, match="already"):
        wallet.call("approve", number, sender=alice)
    assert wallet.call("approve", number, sender=bob) is True
    assert (chain.balance(shop), wallet.balance) == (before + 20, 30)


def test_strangers_are_refused(chain, accounts):
    wallet = chain.deploy("wallet.py", accounts[:2], 1)
    with pytest.raises(UserError, match="owners only"):
        wallet.call("propose", accounts[5], 1, sender=accounts[5])


def test_a_constructor_may_refuse(chain, accounts):
    with pytest.raises(UserError, match="at most"):
        chain.deploy("wallet.py", accounts[:2], 3)

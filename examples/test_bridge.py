"""Messages that leave the chain, and events."""

from orchestrator.testing import Address

VAULT = Address(b"\xee" * 20)


def test_what_is_locked_is_announced_and_released_below(chain, accounts):
    bridge = chain.deploy("bridge.py", VAULT)
    sent = bridge.send("lock", sender=accounts[1], value=9)
    assert bridge.view("locked_by", accounts[1]) == 9
    assert bridge.balance == 9
    (event,) = bridge.events("Locked(amount,owner)")
    assert event.data == {"amount": 9, "owner": accounts[1]}
    (message,) = sent.receipt.messages
    assert (message.kind, message.recipient, message.on) == ("eth", VAULT, "finalized")
    selector, owner, amount = message.request[:4], message.request[4:36], message.request[36:]
    assert (len(selector), owner, amount) == (4, bytes(12) + accounts[1].raw, (9).to_bytes(32, "big"))

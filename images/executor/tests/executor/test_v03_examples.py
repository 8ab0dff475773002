"""The example contracts of the second generation, step by step on one chain."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest

from genvm_wire.calldata import Encodable, encode

from .chain import ALICE, BOB, CAROL, Zygote
from .executor_process import CONTRACT
from .later_chain import Ended, LaterChain
from .module_peer import ModulePeer

EXAMPLES = Path(__file__).parents[4] / "examples"
POLL, MARKET = ((EXAMPLES / name).read_text() for name in ("ballot.py", "market.py"))


@pytest.fixture
def later(zygote: Zygote) -> LaterChain:
    return LaterChain(zygote)


def test_a_poll_takes_one_vote_of_each_and_says_why_not(later: LaterChain) -> None:
    with pytest.raises(Ended) as few:
        later.deploy(POLL, "Tea?", ["yes"])
    assert (few.value.kind, few.value.data) == ("UserError", {"code": "few", "need": 2})
    later.deploy(POLL, "Tea?", ["yes", "no", "später"])
    assert later.call("vote", 0) == 1
    (event,) = later.result.emissions
    assert isinstance(event, dict) and event["blob"] == {"choice": "yes", "voter": ALICE}
    assert later.call("vote", 2, sender=BOB) == 2
    assert later.call("vote", 2, sender=CAROL) == 3
    assert later.failure("vote", 1).data == {"code": "voted", "choice": 0}
    assert later.failure("vote", 9, sender=CONTRACT).data == {"code": "unknown", "choice": 9}
    assert later.call("result", permissions="rcn") == {"yes": 1, "no": 0, "später": 2}
    assert later.failure("close", sender=BOB).data == {"code": "owner", "owner": ALICE}
    assert later.call("close") == "später"
    assert later.failure("vote", 1, sender=CONTRACT).data == {"code": "closed"}


def page(status: int, body: bytes) -> dict[str, ModulePeer]:
    response: Encodable = {"status": status, "headers": {}, "body": body}
    return {"web": ModulePeer([{"Ok": {"response": response}}])}


def test_a_market_reads_pages_and_other_contracts(later: LaterChain) -> None:
    later.deploy(MARKET, CONTRACT, at=BOB)
    later.deploy(MARKET, BOB)
    assert later.call("observe", "tea", "http://a/", modules=page(200, b'{"price": 3.14}')) == 314
    (message,) = later.result.emissions
    assert isinstance(message, dict)
    assert (message["on"], message["calldata"]) == ("accepted", {"": "note", "args": ["tea", 314]})
    assert later.call("observe", "tea", "http://a/", modules=page(503, b"")) == {"error": {"status": 503}}
    assert later.call("observe", "tea", "http://a/", modules=page(200, b"?")) == {"error": "exit_code 1"}
    assert later.call("price", "tea") == 314
    assert later.call("copy", "tea", at=BOB) == 314
    assert later.call("copy", "coffee", at=BOB) == {"error": "no price"}
    del later.accounts[BOB.raw]
    later.accounts[CAROL.raw] = defaultdict(bytearray)
    later.deploy(MARKET, CAROL, at=BOB)
    assert later.call("copy", "tea", at=BOB) == {"error": "invalid_contract runner absent"}


@pytest.mark.parametrize(("seen", "agrees"), [(b'{"price": 3.16}', True), (b'{"price": 3.5}', False)])
def test_validators_of_a_market_agree_within_a_percent(later: LaterChain, seen: bytes, agrees: bool) -> None:
    later.deploy(MARKET, BOB)
    given = [b"\x00" + encode(314)]
    modules = page(200, seen)
    assert later.call("observe", "tea", "http://a/", leader_nondet_results=given, modules=modules) == 314
    told = later.disagreements
    assert told == ([] if agrees else [0])


def test_a_market_keeps_deposits(later: LaterChain) -> None:
    later.deploy(MARKET, BOB)
    later.balances[CONTRACT.raw] = 100
    assert later.call("deposit", value=40) == 40
    assert later.failure("withdraw", 41).data == {"held": 40}
    assert later.call("withdraw", 15) == 25
    (transfer,) = later.result.emissions
    assert isinstance(transfer, dict)
    assert (transfer["address"], transfer["value"], transfer["calldata"]) == (ALICE, 15, {})
    assert later.failure("withdraw", 1, value=1).data == "exit_code 1"

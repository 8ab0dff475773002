"""Contracts of the kind that projects publish, with blocks that ask models and pages.

Each transaction runs as a leader, and again as a validator on the same state (contract-sdk 9, 10).
"""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from typing import Any

import pytest

from genvm_wire.calldata import Encodable

from .chain import ALICE, BOB, Chain, Failed
from .module_peer import ModulePeer

HEADER = '# v0.2.0\n# { "Depends": "py-genlayer:test" }\nfrom genlayer import *\n'
HOST_DATA = json.dumps({"node_address": "0x01", "tx_id": "0x02"})


def model(data: Encodable) -> Encodable:
    return {"Ok": {"consumed_gen": 0, "data": data}}


def page(text: str) -> Encodable:
    return {"Ok": {"text": text}}


def http(body: bytes, status: int = 200) -> Encodable:
    return {"Ok": {"response": {"status": status, "headers": {}, "body": body}}}


class Consensus:
    """A leader's run and a validator's; `peers` of the latest one keep what they were asked."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self.peers: dict[str, ModulePeer] = {}
        self._before: Any = None
        self._reached: Any = None
        self._proposed: dict[int, bytes] = {}
        self._call: tuple[str, tuple[Encodable, ...], dict[str, Any]] = "", (), {}

    def _run(self, llm: Sequence[Encodable], web: Sequence[Encodable]) -> Any:
        method, args, options = self._call
        self.peers = {"llm": ModulePeer(llm), "web": ModulePeer(web)}
        return self.chain.call(method, *args, modules=self.peers, host_data=HOST_DATA, **options)

    def lead(
        self,
        method: str,
        *args: Encodable,
        llm: Sequence[Encodable] = (),
        web: Sequence[Encodable] = (),
        **options: Any,
    ) -> Any:
        """What the leader's run returns."""
        self._call = method, args, options
        self._before = copy.deepcopy(self.chain.accounts)
        self.chain.leader_results = None
        try:
            return self._run(llm, web)
        finally:
            self._proposed, self._reached = self.chain.node.nondet, copy.deepcopy(self.chain.accounts)

    def validate(self, *, llm: Sequence[Encodable] = (), web: Sequence[Encodable] = ()) -> bool:
        """Whether a validator of the latest leader agrees; it must come to the leader's state either way."""
        self.chain.accounts = copy.deepcopy(self._before)
        self.chain.leader_results = [self._proposed[number] for number in sorted(self._proposed)]
        try:
            self._run(llm, web)
        except Failed as failed:
            assert failed.code == 1, str(failed)
        assert self.chain.accounts == self._reached
        return self.chain.node.disagreements == []


@pytest.fixture
def consensus(chain: Chain) -> Consensus:
    return Consensus(chain)


MARKET = (
    HEADER
    + '''
import json


class Market(gl.Contract):
    has_resolved: bool
    team1: str
    team2: str
    url: str
    winner: u256
    score: str

    def __init__(self, date: str, team1: str, team2: str):
        self.url = f"https://www.bbc.com/sport/football/scores-fixtures/{date}"
        self.team1 = team1
        self.team2 = team2
        self.has_resolved = False

    @gl.public.write
    def resolve(self) -> dict:
        if self.has_resolved:
            return {"already": True}
        url, team1, team2 = self.url, self.team1, self.team2

        def get_match_result() -> str:
            text = gl.nondet.web.render(url, mode="text")
            task = f"""Find the score of {team1} vs {team2}.
Web page content:
{text}
End of web page data.
Respond with {{"score": str, "winner": int}}"""
            result = gl.nondet.exec_prompt(task).replace("```json", "").replace("```", "")
            return json.dumps(json.loads(result), sort_keys=True)

        found = json.loads(gl.eq_principle.strict_eq(get_match_result))
        if found["winner"] > -1:
            self.has_resolved = True
            self.winner = found["winner"]
            self.score = found["score"]
        return found

    @gl.public.view
    def get(self) -> dict:
        return {"winner": self.winner, "score": self.score, "has_resolved": self.has_resolved}
'''
)
FENCED = '```json\n{"winner": 2, "score": "1:3"}\n```'


def test_a_market_resolves_by_a_page_and_a_model(chain: Chain, consensus: Consensus) -> None:
    chain.deploy(MARKET, "2024-06-20", "Spain", "Italy")
    found = consensus.lead("resolve", web=[page("Spain 1 Italy 3")], llm=[model(FENCED)])
    assert found == {"winner": 2, "score": "1:3"}
    url = consensus.peers["web"].requests[0]["Render"][0]["url"]
    assert url == "https://www.bbc.com/sport/football/scores-fixtures/2024-06-20"
    assert "Spain 1 Italy 3" in consensus.peers["llm"].requests[0]["Prompt"]["payload"]["prompt"]
    assert consensus.validate(web=[page("x")], llm=[model('{"score": "1:3", "winner": 2}')])
    assert chain.view("get") == {"winner": 2, "score": "1:3", "has_resolved": True}


def test_a_validator_that_reads_another_score_disagrees(chain: Chain, consensus: Consensus) -> None:
    chain.deploy(MARKET, "2024-06-20", "Spain", "Italy")
    consensus.lead("resolve", web=[page("")], llm=[model(FENCED)])
    assert not consensus.validate(web=[page("")], llm=[model('{"score": "0:0", "winner": 0}')])


def test_a_page_that_cannot_be_had_leaves_the_market_open(chain: Chain, consensus: Consensus) -> None:
    chain.deploy(MARKET, "2024-06-20", "Spain", "Italy")
    failed: Encodable = {"UserError": {"causes": ["WEBPAGE_LOAD_FAILED"], "ctx": {"status": 404}}}
    with pytest.raises(Failed, match="exit_code 1"):
        consensus.lead("resolve", web=[failed])
    assert chain.view("get")["has_resolved"] is False


COIN = (
    HEADER
    + """
import json


class LlmCoin(gl.Contract):
    balances: TreeMap[Address, u256]

    def __init__(self, supply: int):
        self.balances[gl.message.sender_address] = supply

    @gl.public.write
    def transfer(self, amount: int, to: str) -> None:
        state = json.dumps({k.as_hex: int(v) for k, v in self.balances.items()})
        asked = f"{state} {gl.message.sender_address.as_hex} sends {amount} to {Address(to).as_hex}"

        def judge():
            return gl.nondet.exec_prompt(asked, response_format="json")

        verdict = gl.eq_principle.prompt_comparative(judge, principle="the new balances are the same")
        if not verdict["ok"]:
            raise gl.vm.UserError(verdict["why"])
        for holder, left in verdict["balances"].items():
            self.balances[Address(holder)] = left

    @gl.public.view
    def balance(self, who: str) -> int:
        return self.balances.get(Address(who), 0)
"""
)


def verdict(**fields: Any) -> Encodable:
    return model(json.dumps(fields))


def test_a_model_keeps_the_books(chain: Chain, consensus: Consensus) -> None:
    alice, bob = f"0x{ALICE.raw.hex()}", f"0x{BOB.raw.hex()}"
    chain.deploy(COIN, 100)
    new = {alice: 60, bob: 40}
    consensus.lead("transfer", 40, bob, llm=[verdict(ok=True, balances=new)])
    assert (chain.view("balance", alice), chain.view("balance", bob)) == (60, 40)
    chain_after = copy.deepcopy(chain.accounts)
    consensus.lead("transfer", 40, bob, llm=[verdict(ok=True, balances=new)])
    assert consensus.validate(llm=[verdict(ok=True, balances=new), model(True)])
    template = consensus.peers["llm"].requests[1]["PromptTemplate"]["payload"]
    assert template["principle"] == "the new balances are the same"
    assert template["leader_answer"] == template["validator_answer"]
    assert chain.accounts == chain_after


def test_a_refusal_of_the_model_is_a_user_error(chain: Chain, consensus: Consensus) -> None:
    chain.deploy(COIN, 100)
    with pytest.raises(Failed) as caught:
        consensus.lead("transfer", 999, f"0x{BOB.raw.hex()}", llm=[verdict(ok=False, why="too much")])
    assert (caught.value.code, caught.value.text) == (1, "too much")


FEED = (
    HEADER
    + """
import json


class Feed(gl.Contract):
    price: u256
    updated: str

    @gl.public.write
    def update(self, source: str) -> int:
        def fetch() -> int:
            response = gl.nondet.web.get(source, headers={"accept": "application/json"})
            if response.status != 200:
                raise gl.vm.UserError(f"source says {response.status}")
            return int(json.loads(response.body.decode("utf-8"))["price"] * 100)

        def close_enough(leader: gl.vm.Result) -> bool:
            mine = fetch()
            if not isinstance(leader, gl.vm.Return):
                return False
            return abs(mine - leader.calldata) * 100 <= mine

        self.price = gl.vm.run_nondet(fetch, close_enough)
        self.updated = gl.message_raw["datetime"]
        return self.price

    @gl.public.view
    def get(self) -> int:
        return self.price
"""
)
SOURCE = "https://api.example.com/price"


def test_a_feed_agrees_within_its_margin(chain: Chain, consensus: Consensus) -> None:
    chain.deploy(FEED)
    assert consensus.lead("update", SOURCE, web=[http(b'{"price": 100.25}')]) == 10025
    assert consensus.validate(web=[http(b'{"price": 100.5}')])
    payload = consensus.peers["web"].requests[0]["Request"][0]
    assert payload["headers"] == {"accept": b"application/json"}


def test_a_feed_disagrees_beyond_its_margin(chain: Chain, consensus: Consensus) -> None:
    chain.deploy(FEED)
    consensus.lead("update", SOURCE, web=[http(b'{"price": 100}')])
    assert not consensus.validate(web=[http(b'{"price": 110}')])


@pytest.mark.parametrize(("status", "agrees"), [(503, True), (500, False)])
def test_validators_agree_on_the_same_failure_of_a_source(
    chain: Chain, consensus: Consensus, status: int, agrees: bool
) -> None:
    chain.deploy(FEED)
    with pytest.raises(Failed, match="source says 503"):
        consensus.lead("update", SOURCE, web=[http(b"", 503)])
    assert consensus.validate(web=[http(b"", status)]) is agrees


REVIEW = (
    HEADER
    + """
class Reviews(gl.Contract):
    summaries: TreeMap[str, str]

    @gl.public.write
    def summarise(self, key: str, text: str) -> str:
        summary = gl.eq_principle.prompt_non_comparative(
            lambda: text,
            task="Summarise the review in one sentence",
            criteria="The sentence keeps the mood and every number",
        )
        self.summaries[key] = summary
        return summary

    @gl.public.write
    def look(self, url: str) -> str:
        def see():
            picture = gl.nondet.web.render(url, mode="screenshot", wait_after_loaded="3s")
            return gl.nondet.exec_prompt("What is in the picture?", images=[picture])

        return gl.vm.run_nondet_unsafe(see, lambda leader: isinstance(leader, gl.vm.Return))
"""
)


def test_a_summary_is_made_by_the_leader_and_judged_by_validators(chain: Chain, consensus: Consensus) -> None:
    chain.deploy(REVIEW)
    assert consensus.lead("summarise", "a", "Five stars!", llm=[model("Loved it: 5.")]) == "Loved it: 5."
    assert consensus.validate(llm=[model(True)])
    judged = consensus.peers["llm"].requests[0]["PromptTemplate"]["payload"]
    assert (judged["input"], judged["output"]) == ("Five stars!", "Loved it: 5.")
    assert not consensus.validate(llm=[model(False)])


def test_a_screenshot_goes_to_the_model(chain: Chain, consensus: Consensus) -> None:
    chain.deploy(REVIEW)
    shown = {"Ok": {"image": b"\x89PNG"}}
    assert consensus.lead("look", "https://e.org", web=[shown], llm=[model("a cat")]) == "a cat"
    assert consensus.peers["llm"].requests[0]["Prompt"]["payload"]["images"] == [b"\x89PNG"]
    assert consensus.validate()

"""Contracts as projects publish them (contract-sdk 1, tiers 1 and 2), driven through their lives."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256

from genvm_wire.address import Address
from genvm_wire.calldata import decode
from tests.e2e.chain import ALICE, BOB, CAROL, Chain, source

E18 = 10**18


def mixed(text: object) -> str:
    """A contract's hex form of an address has a checksum in its letters."""
    assert isinstance(text, str)
    return text.lower()


async def test_a_dao_admits_votes_and_closes(chain: Chain) -> None:
    """Enum, match, a mixin, nested maps, dataclasses in an array, JSON."""
    dao = await chain.deploy(source("dao.py"), "Gardeners")
    assert await chain.call(dao, "admit", BOB) == 2
    assert "is a member already" in str(await chain.refused(dao, "admit", BOB))
    assert await chain.refused(dao, "admit", CAROL, sender=BOB) == "only the owner may do this"
    assert await chain.refused(dao, "propose", "Roses", sender=CAROL) == "only members may do this"
    assert await chain.call(dao, "propose", "  Roses ", sender=BOB) == 0
    assert await chain.call(dao, "propose", "Tulips") == 1
    await chain.call(dao, "vote", 0, "yes", sender=BOB)
    assert await chain.refused(dao, "vote", 0, "no", sender=BOB) == "voted already"
    assert await chain.refused(dao, "vote", 0, "perhaps") == "unknown choice: perhaps"
    assert await chain.refused(dao, "close", 0) == "quorum not reached: 1 of 2"
    proposal = await chain.view(dao, "get_proposal", 0)
    assert isinstance(proposal, dict)
    assert (proposal["title"], proposal["yes"], proposal["open"]) == ("Roses", 1, True), "rolled back"
    await chain.call(dao, "vote", 0, "abstain")
    assert await chain.call(dao, "close", 0) == "accepted"
    assert await chain.refused(dao, "vote", 0, "no") == "the vote is over"
    ballots = await chain.view(dao, "get_ballots", 0)
    assert isinstance(ballots, dict)
    assert {mixed(voter): choice for voter, choice in ballots.items()} == {
        ALICE.as_hex: "abstain",
        BOB.as_hex: "yes",
    }
    await chain.call(dao, "expel", BOB)
    exported = str(await chain.view(dao, "export"))
    assert exported.lower() == (
        f'{{"members": ["{ALICE.as_hex}"], "name": "gardeners", "titles": ["roses", "tulips"]}}'
    )


async def test_an_escrow_holds_pays_and_refunds(chain: Chain) -> None:
    """Payable, values, own balance, transfers, the transaction's time in both forms."""
    escrow = await chain.deploy(source("escrow.py"), fee_percent=10)
    assert await chain.refused(escrow, "open", "car", BOB, sender=CAROL) == "an escrow needs money"
    deadline = await chain.call(escrow, "open", "car", BOB, sender=CAROL, value=5 * E18)
    await chain.call(escrow, "open", "boat", seller=BOB, days=1, sender=CAROL, value=E18)
    assert await chain.refused(escrow, "open", "car", BOB, value=1) == "deal car exists"
    assert await chain.view(escrow, "books") == {"locked": 6 * E18, "collected": 0, "balance": 6 * E18}
    assert await chain.refused(escrow, "release", "car", sender=BOB) == (
        "only the buyer or the arbiter releases"
    )
    assert await chain.call(escrow, "release", "car", sender=CAROL) == 45 * E18 // 10
    [paid] = await chain.sent()
    assert (paid.recipient, paid.value, paid.on) == (BOB, 45 * E18 // 10, "finalized")
    refused = str(await chain.refused(escrow, "refund", "boat", sender=CAROL))
    assert refused.startswith("not before 20")
    assert isinstance(deadline, str) and deadline > refused.removeprefix("not before ")
    await chain.call(escrow, "refund", "boat")
    [returned] = await chain.sent()
    assert (returned.recipient, returned.value, returned.on) == (CAROL, E18, "accepted")
    assert await chain.refused(escrow, "release", "boat") == "deal boat is refunded"
    assert await chain.view(escrow, "deal", "car") == {
        "buyer": CAROL,
        "seller": BOB,
        "amount": 5 * E18,
        "state": "released",
        "same_clock": True,
    }
    assert await chain.view(escrow, "deal", "house") == {}
    assert await chain.view(escrow, "books") == {
        "locked": 0,
        "collected": 5 * E18 // 10,
        "balance": 5 * E18 // 10,
    }


async def test_a_value_for_a_method_that_is_not_payable_fails_and_stays_with_its_sender(chain: Chain) -> None:
    escrow = await chain.deploy(source("escrow.py"))
    await chain.call(escrow, "open", "car", BOB, value=7)
    before = await chain.balance(BOB)
    outcome = await chain.transact(escrow, "top_up", "car", sender=BOB, value=5)
    assert outcome.result is not None
    assert (outcome.kind, outcome.result.data) == ("VmError", "exit_code 1")
    assert await chain.balance(BOB) == before
    assert await chain.balance(escrow) == 7


async def test_a_registry_mints_approves_and_moves(chain: Chain) -> None:
    """Mixins with fields, bytes, bigint, hashes, keyword-only parameters, addresses in and out."""
    registry = await chain.deploy(source("nft.py"), "ART", first_id=2**70)
    first = await chain.call(registry, "mint", BOB, "ipfs://a", b"picture", royalty=250)
    second = await chain.call(registry, "mint", BOB, "ipfs://b", b"\0\xff")
    assert (first, second) == (2**70 + 1, 2**70 + 2)
    assert await chain.refused(registry, "mint", BOB, "x", b"", sender=BOB) == "not the minter"
    assert await chain.refused(registry, "transfer", CAROL, first, sender=CAROL) == "not allowed"
    await chain.call(registry, "approve", first, CAROL, sender=BOB)
    described = await chain.view(registry, "describe", first)
    assert isinstance(described, dict)
    assert mixed(described.pop("owner")) == BOB.as_hex
    assert described == {
        "uri": "ipfs://a",
        "hash": sha256(b"picture").digest(),
        "royalty": 250,
        "approved": CAROL,
    }
    await chain.call(registry, "transfer", CAROL, first, sender=CAROL)
    assert await chain.view(registry, "owner_of", first) == CAROL
    assert await chain.view(registry, "tokens_of", BOB.as_hex) == [second]
    await chain.call(registry, "set_operator", ALICE, True, sender=BOB)
    await chain.call(registry, "transfer", CAROL, second)
    assert await chain.view(registry, "tokens_of", CAROL.as_hex) == [first, second]
    assert await chain.view(registry, "verify", second, b"\0\xff") is True
    await chain.call(registry, "pause")
    assert await chain.refused(registry, "transfer", BOB, first, sender=CAROL) == "paused"
    await chain.call(registry, "pause", paused=False)
    assert await chain.refused(registry, "transfer", BOB, 5, sender=CAROL) == "token 5 does not exist"


async def test_a_market_agrees_on_a_score_and_shares_the_pot(chain: Chain) -> None:
    """strict_eq without modules, keyword-only calls, regular expressions, float and signed fields."""
    market = await chain.deploy(source("market.py"))
    assert await chain.refused(market, "create", date="soon", team1="A", team2="B") == "not a date: soon"
    game = await chain.call(market, "create", date="2026-07-19", team1="Lions", team2="Bears")
    assert game == "2026-07-19_lions_bears"
    assert await chain.call(market, "bet", game, 1, sender=BOB, value=30) == 1
    assert await chain.call(market, "bet", game, 1, sender=CAROL, value=10) == 2
    assert await chain.call(market, "bet", game, 2, value=60) == 3
    assert await chain.call(market, "resolve", game) == {"winner": 1, "score": "2:1"}
    assert await chain.refused(market, "resolve", game) == "Game already resolved"
    late = await chain.transact(market, "bet", game, 1, value=1)
    assert late.result is not None
    assert (late.kind, late.result.data) == ("VmError", "exit_code 1")
    assert "Game already resolved" in late.stderr
    board = await chain.view(market, "leaderboard")
    assert isinstance(board, dict)
    assert {mixed(who): points for who, points in board.items()} == {BOB.as_hex: 75, CAROL.as_hex: 25}
    shown = await chain.view(market, "get_game", game)
    assert isinstance(shown, dict)
    assert (shown["teams"], shown["winner"], shown["half"]) == (["Lions", "Bears"], 1, "0.5")


async def test_a_chat_keeps_its_lines(chain: Chain) -> None:
    """`import genlayer.gl as gl`, many small types, arrays that shrink, text beyond ASCII, output."""
    chat = await chain.deploy(source("chat.py"))
    said = await chain.transact(chat, "say", "Hello, wörld 👋", 5, nick="ann")
    assert said.stdout == "ann says 14 characters\n"
    await chain.call(chat, "block", ["spam", "(x"])
    assert await chain.call(chat, "say", "SPAM and (x", mood=-7, sender=BOB) == 2
    assert await chain.call(chat, "like", 1) == 1
    assert await chain.call(chat, "like", 1, sender=BOB) == 2
    assert await chain.refused(chat, "unsay") == "the last line is not yours"
    assert await chain.view(chat, "page", 1) == [
        {"by": "0xB0B0", "text": "**** and **", "mood": -7, "likes": 2}
    ]
    assert await chain.call(chat, "attach", b64encode(bytes(range(256)) * 40).decode()) == 10240
    renamed = await chain.transact(chat, "rename", "other")
    assert (renamed.kind, "OverflowError" in renamed.stderr) == ("VmError", True)
    await chain.call(chat, "unsay", sender=BOB)
    assert await chain.view(chat, "summary") == {
        "topic": "général ☕",
        "slug": "g%C3%A9n%C3%A9ral%20%E2%98%95",
        "mood": 5,
        "authors": {"ann": 1},
        "attachment": bytes(range(256)) * 40,
        "spare": 0,
    }


async def test_contracts_see_and_message_each_other(chain: Chain) -> None:
    """Views of another contract, messages, events, deployments."""
    token = await chain.deploy(source("token.py"), 100)
    club = await chain.deploy(source("club.py"), token)
    assert await chain.refused(club, "join", sender=BOB) == "members own 10, not 0"
    await chain.call(club, "reward", BOB, 40)
    [message] = await chain.sent()
    assert (message.kind, message.recipient, message.on) == ("message", token, "accepted")
    assert decode(message.calldata) == {"method": "grant", "args": [BOB, 40], "kwargs": {"memo": "thanks"}}
    await chain.deliver(message, sender=club)
    assert await chain.view(token, "balance_of", BOB) == 40
    assert await chain.call(club, "join", sender=BOB) == 40
    assert await chain.event_count(club) == 1
    assert mixed(await chain.call(club, "compare", ALICE, BOB)) == ALICE.as_hex
    assert await chain.call(club, "compare", CAROL, CAROL) == "neither is richer"
    room = await chain.call(club, "make_room", "attic")
    assert isinstance(room, Address)
    [deployment] = await chain.sent()
    assert (deployment.kind, deployment.salt_nonce) == ("deploy", 1)
    assert deployment.code is not None
    await chain.deploy(deployment.code, "attic", sender=club)
    roster = await chain.view(club, "roster")
    assert isinstance(roster, list)
    assert [mixed(member) for member in roster] == [BOB.as_hex]


async def test_a_view_of_a_contract_that_does_not_exist_fails_the_caller(chain: Chain) -> None:
    club = await chain.deploy(source("club.py"), CAROL)
    outcome = await chain.transact(club, "join")
    assert outcome.result is not None
    assert (outcome.kind, outcome.result.data) == ("VmError", "invalid_contract absent_runner_comment")


async def test_state_is_the_node_s_and_every_run_has_a_container_of_its_own(chain: Chain) -> None:
    dao = await chain.deploy(source("dao.py"), "Gardeners")
    containers = set()
    for title in ("a", "b", "c"):
        outcome = await chain.transact(dao, "propose", title)
        containers.add(outcome.status["container_id"])
    assert len(containers) == 3
    assert '"titles": ["a", "b", "c"]' in str(await chain.view(dao, "export"))

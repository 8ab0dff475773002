"""Mocked modules, and nodes that see different pages."""

import pytest

from orchestrator.testing import NoResult, Undetermined

PAGE = "https://rates.example/today"
CLAIM = "a euro is more than a dollar"


@pytest.fixture
def judge(chain, pages, prompts):
    pages.mock("https://rates.example/*", "One euro is 1.08 dollars.")
    prompts.mock("*1.08 dollars*support this claim*", {"verdict": "yes"})
    prompts.mock("*1.08 pounds*support this claim*", {"verdict": "no"})
    return chain.deploy("judge.py")


def test_a_claim_is_judged_by_the_page(judge, prompts):
    assert judge.call("judge", PAGE, CLAIM) == "yes"
    assert judge.view("get") == "yes"
    assert [asked.node for asked in prompts.asked] == ["leader"]


def test_one_node_that_sees_another_page_is_outvoted(chain, judge, pages):
    chain.validators = 4
    pages.mock("https://rates.example/*", "One euro is 1.08 pounds.", at=2)
    receipt = judge.send("judge", PAGE, CLAIM).receipt
    assert receipt.votes == ("agree", "disagree", "agree", "agree")
    assert judge.view("get") == "yes"


def test_a_leader_that_is_alone_changes_nothing(chain, judge, pages):
    chain.validators = 2
    pages.mock("https://rates.example/*", "One euro is 1.08 pounds.", at="leader")
    with pytest.raises(Undetermined, match="1 of 3"):
        judge.call("judge", PAGE, CLAIM)
    assert judge.view("get") == "unknown"


def test_what_is_not_mocked_is_named(judge):
    with pytest.raises(NoResult) as caught:
        judge.call("judge", "https://other.example/", CLAIM)
    assert any("no page is mocked for 'https://other.example/'" in note for note in caught.value.__notes__)

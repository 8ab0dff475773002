"""The templates of the equivalence principles, mocked like any prompt."""

import pytest

from orchestrator.testing import Undetermined

URL = "https://news.example/1"


@pytest.fixture
def summary(chain, pages):
    chain.validators = 2
    pages.mock(URL, b"<h1>Rain</h1>", text="Rain: it rained all day.")
    return chain.deploy("summary.py")


def test_validators_judge_the_leaders_sentence(summary, prompts):
    prompts.mock("*it rained all day*Sum the page up*", True)
    prompts.mock("Sum the page up", "It rained.", at="leader")
    assert summary.call("sum_up", URL) == "It rained."
    assert summary.view("get", URL) == "It rained."


def test_a_sentence_that_nobody_accepts_is_not_kept(summary, prompts):
    prompts.mock("Sum the page up", False)
    prompts.mock("Sum the page up", "It snowed.", at="leader")
    with pytest.raises(Undetermined):
        summary.call("sum_up", URL)
    assert summary.view("get", URL) == ""


def test_titles_need_not_be_equal(summary, prompts):
    prompts.mock("*Give the title*<h1>Rain</h1>*", "Rain")
    prompts.mock("Give the title", "Rain today", at="leader")
    prompts.mock("*Rain today*Both name the same page*", True)
    assert summary.call("title", URL) == "Rain today"

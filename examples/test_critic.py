"""Models that answer with fractions, differ from node to node, or talk nonsense."""

import pytest

from orchestrator.testing import Undetermined, UserError

URL = "https://films.example/harbour"


@pytest.fixture
def critic(chain, pages):
    pages.mock("https://films.example/*", "A film about a harbour.")
    return chain.deploy("critic.py")


@pytest.mark.parametrize(("seen", "votes"), [(7.9, ("agree", "agree")), (2.5, ("agree", "disagree"))])
def test_ratings_are_rounded_before_they_are_compared(chain, critic, prompts, seen, votes):
    chain.validators = 2
    prompts.mock("Rate this*", {"rating": 8.2})
    prompts.mock("Rate this*", {"rating": seen}, at=2)
    assert critic.send("rate", URL).receipt.votes == votes
    assert critic.view("of", URL) == {"rating": 8, "review": ""}


def test_an_answer_of_another_form_is_an_error_with_a_value(critic, prompts):
    prompts.mock("Rate this*", ["good"])
    with pytest.raises(UserError) as caught:
        critic.call("rate", URL)
    assert caught.value.data == {"code": "model", "answer": '["good"]'}


def test_texts_are_compared_by_a_model(chain, critic, prompts):
    chain.validators = 1
    prompts.mock("Review in one*", "Long, and worth it.")
    prompts.mock("Review in one*", "Worth every minute.", at=1)
    prompts.mock("*both like it*", True)
    assert critic.call("review", URL) == "Long, and worth it."
    prompts.mock("*both like it*", False)
    with pytest.raises(Undetermined):
        critic.call("review", URL)


def test_a_summary_is_judged_by_its_criteria(chain, critic, prompts):
    chain.validators = 1
    prompts.mock("*say what it is about*", "A harbour.", at="leader")
    prompts.mock("*names the subject*", True, at=1)
    assert critic.call("summarize", URL) == "A harbour."

"""Tests that fail, for what their reports say (`test_dev_session.py`)."""

from pathlib import Path

EXAMPLES = Path(__file__).parents[3] / "examples"


def test_with_an_error_of_the_contract(chain):
    chain.deploy(EXAMPLES / "counter.py").call("add", "many")


def test_with_a_page_that_is_not_mocked(chain):
    chain.deploy(EXAMPLES / "judge.py").call("judge", "https://nowhere.example/", "x")


def test_with_a_mock_that_fails(chain, pages):
    def broken(asked):
        raise ZeroDivisionError(asked.text)

    pages.add("*", broken)
    chain.deploy(EXAMPLES / "judge.py").call("judge", "https://broken.example/", "x")

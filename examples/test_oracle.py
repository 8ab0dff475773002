"""A web service that answers differently to each node, or not at all."""

import pytest

from orchestrator.testing import Undetermined, UserError

URL = "https://prices.example/gold"


@pytest.fixture
def oracle(chain):
    return chain.deploy("oracle.py")


def test_it_keeps_what_the_service_says(chain, oracle, pages):
    pages.mock(URL, {"price": "19.99"})
    assert oracle.call("update", URL) == 1999
    assert oracle.view("get") == {"cents": 1999, "updated": "2026-01-01T00:00:00Z"}
    (asked,) = pages.asked
    assert asked.what["headers"] == {"Accept": b"application/json"}


@pytest.mark.parametrize(("seen", "votes"), [("20.1", ("agree", "agree")), ("20.3", ("agree", "disagree"))])
def test_prices_that_are_near_agree(chain, oracle, pages, seen, votes):
    chain.validators = 2
    pages.mock(URL, {"price": "20.0"})
    pages.mock(URL, {"price": seen}, at=2)
    assert oracle.send("update", URL).receipt.votes == votes


def test_far_prices_are_not_kept(chain, oracle, pages):
    chain.validators = 2
    pages.mock(URL, {"price": "20.0"})
    pages.mock(URL, {"price": "1.0"}, at="leader")
    with pytest.raises(Undetermined):
        oracle.call("update", URL)
    assert oracle.view("get")["updated"] == "never"


def test_a_service_that_is_down_is_an_error_of_the_contract(oracle, pages):
    pages.mock(URL, "gone", status=503)
    with pytest.raises(UserError, match="answered 503"):
        oracle.call("update", URL)

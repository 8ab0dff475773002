"""Sandboxes: what they may do, and what is left of those that fail."""

import pytest


@pytest.fixture
def plugins(chain):
    return chain.deploy("plugins.py")


@pytest.mark.parametrize(
    ("formula", "told"),
    [("limit * 2", 200), ("1 / 0", {"failed": "exit_code 1"}), ("[limit] * 2", [100, 100])],
)
def test_a_formula_of_anybody(plugins, formula, told):
    assert plugins.call("evaluate", formula) == told
    assert plugins.view("seen") == {"log": {}, "limit": 100}


def test_a_sandbox_writes_only_where_it_may(plugins):
    assert plugins.call("note", "a", "hello", True) == "a"
    assert plugins.call("note", "b", "hello", False) == {"failed": "exit_code 1"}
    assert plugins.call("note", "c", "", False) == {"failed": "exit_code 1"}
    assert plugins.call("note", "d", "", True) == {"refused": {"code": "empty", "key": "d"}}
    assert plugins.view("seen")["log"] == {"a": "hello"}

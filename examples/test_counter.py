"""What a first test looks like: deploy, call, view, and what is refused."""

import pytest

from orchestrator.testing import UserError, VmError


def test_it_counts_and_remembers_who_counted(chain, accounts):
    counter = chain.deploy("counter.py", 5)
    assert counter.call("add", 3, sender=accounts[1]) == 8
    assert counter.view("summary") == {"value": 8, "last": accounts[1], "history": [3]}


def test_a_refused_call_leaves_nothing(chain):
    counter = chain.deploy("counter.py")
    with pytest.raises(UserError, match="never goes down"):
        counter.call("add", -1)
    assert counter.view("summary")["history"] == []


def test_a_failure_names_the_line(chain):
    counter = chain.deploy("counter.py")
    with pytest.raises(VmError, match=r"counter\.py:\d+, in add: if amount < 0:"):
        counter.call("add", "many")

"""A contract of several files is deployed as a folder."""

import pytest

from orchestrator.testing import UserError


def test_it_keeps_one_entry_of_each_guest(chain, accounts):
    book = chain.deploy("guestbook")
    book.call("sign", "  hello   there ")
    book.call("sign", "hello again")
    assert book.view("read", accounts[0]) == {"text": "hello again", "times": 2}
    assert book.view("read", accounts[1]) is None


def test_errors_of_its_other_files_are_its_own(chain):
    book = chain.deploy("guestbook")
    with pytest.raises(UserError, match="write something"):
        book.call("sign", " ")

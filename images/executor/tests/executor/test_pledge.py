"""Only the process that forks can keep what it has promised (docs/instance-protocol.md, reuse)."""

from __future__ import annotations

import hashlib
import os
from itertools import pairwise

from genvm_executor.channel.pledge import Pledge, Word


def test_each_word_proves_itself_by_what_the_last_one_promised() -> None:
    pledge = Pledge()
    words = [pledge.give() for _ in range(3)]
    for word, following in pairwise(words):
        assert hashlib.sha256(following.proof).digest() == word.promise


def test_no_two_words_are_alike() -> None:
    pledge = Pledge()
    proofs = {pledge.give().proof for _ in range(50)}
    assert len(proofs) == 50
    assert Pledge().give().proof not in proofs


def in_fork(pledge: Pledge) -> Word:
    """The word that a fork would give."""
    reading, writing = os.pipe()
    if os.fork() == 0:
        word = pledge.give()
        os.write(writing, word.proof + word.promise)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        data = pipe.read()
    os.wait()
    return Word(data[:-32], data[-32:])


def test_a_fork_has_nothing_to_keep_the_promise_with() -> None:
    pledge = Pledge()
    promise = pledge.give().promise
    assert hashlib.sha256(in_fork(pledge).proof).digest() != promise
    assert hashlib.sha256(pledge.give().proof).digest() == promise

"""What is kept of a run's output."""

from __future__ import annotations

import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.executions.output import Tail, tail_text


def test_the_tail_is_kept() -> None:
    tail = Tail(5)
    tail.append(0, b"abc")
    tail.append(3, b"defg")
    assert (tail.bytes(), tail.total) == (b"cdefg", 7)


def test_repeated_bytes_after_a_reconnect_are_dropped() -> None:
    tail = Tail(100)
    tail.append(0, b"abcd")
    tail.append(2, b"cdef")
    assert tail.bytes() == b"abcdef"


def test_a_gap_counts_but_is_not_filled() -> None:
    tail = Tail(100)
    tail.append(0, b"ab")
    tail.append(1000, b"cd")
    assert (tail.bytes(), tail.total) == (b"abcd", 1002)


def test_a_character_cut_in_two_is_left_out() -> None:
    tail = Tail(4)
    tail.append(0, "aéébc".encode())
    assert tail_text(tail.bytes(), tail.total) == "ébc"


def test_bad_bytes_are_replaced() -> None:
    tail = Tail(10)
    tail.append(0, b"a\xffb")
    assert tail_text(tail.bytes(), tail.total) == "a\ufffdb"


def test_nothing_is_kept_at_limit_zero() -> None:
    tail = Tail(0)
    tail.append(0, b"abc")
    assert (tail.bytes(), tail.total) == (b"", 3)


@given(st.integers(1, 50), st.lists(st.binary(max_size=70)))
def test_the_tail_is_the_end_of_all_that_came(limit: int, chunks: list[bytes]) -> None:
    tail = Tail(limit)
    for chunk in chunks:
        tail.append(tail.total, chunk)
    assert tail.bytes() == b"".join(chunks)[-limit:]


def test_single_bytes_take_no_more_than_themselves() -> None:
    tail = Tail(1_000_000)
    tracemalloc.start()
    try:
        for offset in range(200_000):
            tail.append(offset, b"x")
        assert tracemalloc.get_traced_memory()[0] < 500_000
    finally:
        tracemalloc.stop()
    assert tail.bytes() == b"x" * 200_000

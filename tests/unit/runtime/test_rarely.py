"""Of what is refused for ever the tries become rare, and of nothing else."""

from __future__ import annotations

from orchestrator.runtime.rarely import MOST, Rarely


def rounds_tried(rarely: Rarely, key: str, rounds: int) -> list[int]:
    """Of so many rounds those in which it was tried, and refused."""
    tried = []
    for number in range(1, rounds + 1):
        if rarely.turn(key):
            tried.append(number)
            rarely.refused(key)
    return tried


def test_the_rounds_between_two_tries_double_up_to_a_bound() -> None:
    assert rounds_tried(Rarely(), "a", 128) == [1, 3, 7, 15, 31, 63, 63 + MOST + 1, 63 + 2 * (MOST + 1)]


def test_what_is_done_begins_anew() -> None:
    rarely = Rarely()
    rounds_tried(rarely, "a", 20)
    rarely.forget("a")
    assert rounds_tried(rarely, "a", 3) == [1, 3]


def test_one_does_not_wait_for_another() -> None:
    rarely = Rarely()
    rounds_tried(rarely, "a", 20)
    assert rarely.turn("b")
    assert rarely.turn("b"), "nobody refused it"


def test_some_are_asked_again_sooner() -> None:
    rarely = Rarely()
    for _ in range(5):
        rarely.refused("a", most=3)
    assert [rarely.turn("a") for _ in range(4)] == [False, False, False, True]

"""What the benchmark says of two sides from what was measured."""

from __future__ import annotations

from bench.against import Pair, comparison, paired


def test_a_ratio_is_that_of_turns_and_not_of_medians() -> None:
    """The machine was twice as slow in the second and third turn: both sides are the same all the same."""
    turns = [({"a": 1.0}, {"a": 1.0}), ({"a": 2.0}, {"a": 2.2}), ({"a": 2.0}, {"a": 1.8})]
    assert paired(turns)["a"] == Pair(2.0, 1.8, 1.0)


def test_what_a_side_lacks_is_left_out_and_zero_has_no_ratio() -> None:
    pairs = paired([({"a": 0.0, "b": 1.0}, {"a": 3.0, "c": 1.0})])
    assert pairs == {"a": Pair(0.0, 3.0, None)}
    assert comparison(pairs).splitlines()[1].split() == ["a", "0.00", "3.00"]


def test_every_figure_is_a_line() -> None:
    lines = comparison(paired([({"b": 4.0, "a": 2.0}, {"b": 2.0, "a": 3.0})])).splitlines()
    assert [line.split() for line in lines[1:]] == [
        ["a", "2.00", "3.00", "1.50"],
        ["b", "4.00", "2.00", "0.50"],
    ]

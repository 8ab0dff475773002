"""How two measured sides are put beside each other; the measuring itself is `make bench`'s."""

from __future__ import annotations

from bench.against import comparison, medians


def test_figures_that_one_turn_lacks_are_left_out_of_the_medians() -> None:
    assert medians([{"a": 1.0, "b": 5.0}, {"a": 3.0}, {"a": 10.0}]) == {"a": 3.0}


def test_each_figure_of_either_side_has_a_line_and_those_of_both_a_ratio() -> None:
    lines = comparison({"old": 3.0, "new": 1.0, "none": 0.0}, {"old": 2.0, "gone": 4.0, "none": 0.0}).split(
        "\n"
    )
    assert [line.split() for line in lines[1:]] == [
        ["gone", "4.00", "-"],
        ["new", "-", "1.00"],
        ["none", "0.00", "0.00"],
        ["old", "2.00", "3.00", "1.50"],
    ]

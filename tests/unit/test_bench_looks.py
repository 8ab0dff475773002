"""How growth is told from looks."""

from __future__ import annotations

import pytest

from bench.looks import slope


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ([(0, 10.0), (500, 11.0), (1000, 12.0)], 2.0),
        ([(0, 10.0), (500, 30.0), (1000, 10.0)], 0.0),
        ([(0, 10.0), (1000, 12.0)], None),
        ([(7, 1.0), (7, 2.0), (7, 3.0)], None),
        ([], None),
    ],
    ids=["a line", "up and down", "too few", "nothing ran", "none"],
)
def test_growth_is_the_line_with_the_least_squares_by_a_thousand_runs(
    points: list[tuple[float, float]], expected: float | None
) -> None:
    found = slope(points)
    assert found == (expected if expected is None else pytest.approx(expected))

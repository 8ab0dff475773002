"""Who has stood still itself takes nobody for dead."""

from __future__ import annotations

import pytest

from orchestrator.cluster.steadiness import Steadiness


@pytest.mark.parametrize(
    ("renewals", "may_judge"),
    [
        pytest.param([0, 1, 2, 3, 4], False, id="not yet long enough"),
        pytest.param([0, 1, 2, 3, 4, 5], True, id="all the while"),
        pytest.param([0, 1, 2, 3, 4, 5, 25], False, id="it stood still, as others may have"),
        pytest.param([0, 5, 25, 26, 27, 28, 29, 30], True, id="and has watched again since"),
        pytest.param([], False, id="never"),
    ],
)
def test_who_may_judge(renewals: list[float], may_judge: bool) -> None:
    steadiness = Steadiness(15.0)
    for at in renewals:
        steadiness.renewed(at)
    assert steadiness.may_judge is may_judge

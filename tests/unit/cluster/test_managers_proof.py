"""What a manager says to another is believed for a while, and for that very request."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.api.members.proof import BadSecret, Proof, read_secret
from orchestrator.api.times import DEFAULT_API_TIMES

WINDOW = DEFAULT_API_TIMES.member_clock
SECRET = b"0123456789abcdef"
SAID = Proof(SECRET, lambda: 1000.0).of("GET", "/genvm/7?wait=1s")


@pytest.mark.parametrize(
    ("secret", "now", "method", "target", "holds"),
    [
        pytest.param(SECRET, 1000.0, "GET", "/genvm/7?wait=1s", True, id="as it was said"),
        pytest.param(SECRET, 1000.0 - WINDOW, "GET", "/genvm/7?wait=1s", True, id="by another clock"),
        pytest.param(SECRET, 1001.0 + WINDOW, "GET", "/genvm/7?wait=1s", False, id="too late"),
        pytest.param(SECRET, 1000.0, "DELETE", "/genvm/7?wait=1s", False, id="another method"),
        pytest.param(SECRET, 1000.0, "GET", "/genvm/8?wait=1s", False, id="another run"),
        pytest.param(b"fedcba9876543210", 1000.0, "GET", "/genvm/7?wait=1s", False, id="another secret"),
    ],
)
def test_a_proof(secret: bytes, now: float, method: str, target: str, holds: bool) -> None:
    assert Proof(secret, lambda: now).holds(SAID, method, target) is holds


@pytest.mark.parametrize(
    "said", ["", ":", "1000", "1000:", "x:y", "²:a", f"{'9' * 400}:a", "1000:é", "1000:\udce9"]
)
def test_what_is_no_proof(said: str) -> None:
    assert not Proof(SECRET, lambda: 1000.0).holds(said, "GET", "/genvm/7")


def test_a_secret_that_is_too_short_or_away_is_refused_and_not_shown(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    with pytest.raises(BadSecret, match="No such file"):
        read_secret(file)
    file.write_text("short-secret")
    with pytest.raises(BadSecret) as refused:
        read_secret(file)
    assert "short-secret" not in str(refused.value)

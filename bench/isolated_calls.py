"""The calls of `plain_calls` as a developer's test has them: each in a run of its own, on real instances."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

COUNTER = Path(__file__).parents[1] / "examples" / "counter.py"
CALLS = int(os.environ.get("BENCH_CALLS", "200"))


def test_calls(chain: Any) -> None:
    counter = chain.deploy(COUNTER)
    for number in range(CALLS):
        assert counter.call("add", 1) == number + 1

"""A developer's session: `genvm-orchestrator test` on real instances beside plain CPython in one process."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from bench.figures import Results

HERE = Path(__file__).parent
CALLS = 200
_OTHERS = ("schemathesis", "hypothesispytest", "anyio", "cacheprovider")
LIGHT = ("-q", *(word for name in _OTHERS for word in ("-p", f"no:{name}")))
"""Plugins that other tests of this project need, and no developer has."""
SESSIONS = {
    "plain": (sys.executable, "-m", "pytest", *LIGHT, str(HERE / "plain_calls.py")),
    "process": (sys.executable, "-m", "orchestrator", "test", str(HERE / "isolated_calls.py"), "--", *LIGHT),
    "docker": (
        sys.executable, "-m", "orchestrator", "test", "--runtime", "docker",
        str(HERE / "isolated_calls.py"), "--", *LIGHT,
    ),
}  # fmt: skip


def session_ms(kind: str, calls: int) -> float:
    """Wall time of a whole session, from the command to its end; the calls have to pass."""
    environment = {**os.environ, "BENCH_CALLS": str(calls)}
    begun = time.perf_counter()
    ran = subprocess.run(
        SESSIONS[kind], cwd=HERE.parent, env=environment, capture_output=True, text=True, check=False
    )
    taken = time.perf_counter() - begun
    if ran.returncode:
        raise RuntimeError(f"the {kind} session failed:\n{ran.stdout[-2000:]}\n{ran.stderr[-2000:]}")
    return taken * 1000


def developer_ms(turns: int) -> Results:
    """The best of some turns of each kind, side by side; `_one_` is a session of a single call."""
    results: Results = {}
    for kind in SESSIONS:
        session_ms(kind, 1)
    for _ in range(turns):
        for kind in SESSIONS:
            for name, calls in (("session", CALLS), ("one", 1)):
                key = f"developer_{kind}_{name}_ms"
                results[key] = min(results.get(key, float("inf")), session_ms(kind, calls))
    for kind in SESSIONS:
        spread = results[f"developer_{kind}_session_ms"] - results[f"developer_{kind}_one_ms"]
        results[f"developer_{kind}_call_ms"] = spread / (CALLS - 1)
    return results

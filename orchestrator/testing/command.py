"""`genvm-orchestrator test`: pytest with the fixtures for contracts."""

from __future__ import annotations

import argparse
import io
import json
import sys
from contextlib import redirect_stdout
from typing import Any

from orchestrator import extras

EXIT_USAGE = 2
PLUGIN = "orchestrator.testing.plugin"


def run(args: argparse.Namespace) -> int:
    """pytest's exit code: 0: all passed; 1: some failed; 5: there were none; 2 to 4: it could not run."""
    try:
        import pytest  # noqa: PLC0415 - the manager needs no pytest
    except ImportError:
        # Both: pytest is there for contracts to be run, and pipx keeps only the extras that are named.
        needed = extras.advice("executor", "test")
        print(f"genvm-orchestrator: tests need pytest: {needed}", file=sys.stderr)
        return EXIT_USAGE
    words = words_of(args)
    if not args.json:
        return int(pytest.main(words))
    summary = Summary()
    with redirect_stdout(io.StringIO()):
        code = int(pytest.main(words, plugins=[summary]))
    print(json.dumps({"exit_code": code, **summary.as_map()}))
    return code


def words_of(args: argparse.Namespace) -> list[str]:
    """pytest's command line."""
    words = ["-p", PLUGIN, "--genvm-runtime", args.runtime]
    if args.record:
        words.append("--genvm-record")
    if args.run_limit is not None:
        words += ["--genvm-run-limit", str(args.run_limit)]
    return words + [word for word in args.others if word != "--"]


class Summary:
    """Collects how each test ended."""

    def __init__(self) -> None:
        self._tests: dict[str, dict[str, Any]] = {}
        self._broken: list[dict[str, str]] = []

    def pytest_runtest_logreport(self, report: Any) -> None:
        """The worst of set-up, test and tear-down counts."""
        entry = self._tests.setdefault(
            report.nodeid, {"test": report.nodeid, "outcome": "passed", "seconds": 0.0}
        )
        entry["seconds"] = round(entry["seconds"] + report.duration, 3)
        if report.outcome != "passed":
            entry["outcome"] = report.outcome
            entry["text"] = str(report.longrepr)

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self._broken.append({"file": report.nodeid, "text": str(report.longrepr)})

    def as_map(self) -> dict[str, Any]:
        tests = list(self._tests.values())
        counts = {
            name: sum(one["outcome"] == name for one in tests) for name in ("passed", "failed", "skipped")
        }
        return {**counts, "broken": self._broken, "tests": tests}

"""The arguments of check and test. What executes them is `checking.cli` and `testing.command`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final, TypeAlias

from orchestrator.runtime_name import HERE, RuntimeName

LONGEST: Final = 24 * 3600.0
_Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add_commands(subparsers: _Commands) -> None:
    """Add the commands to the program's parser."""
    _add_check(subparsers)
    _add_test(subparsers)


def _add_check(subparsers: _Commands) -> None:
    check = subparsers.add_parser(
        "check",
        help="say what a node would say of a contract",
        description="Runs the contract's header, imports, storage types and schema in the executor itself."
        " Exit code 0: a node takes it; 1: it does not; 2: it cannot be read; 3: it could not be checked.",
    )
    check.add_argument("contracts", nargs="+", type=Path, metavar="FILE", help="a contract's code")
    check.add_argument("--strict", action="store_true", help="exit code 1 for warnings, too")
    check.add_argument("--json", action="store_true", help="print one JSON list, an entry for each file")
    check.add_argument(
        "--run-limit",
        type=_seconds,
        metavar="SECONDS",
        help="the longest that a file may take to be read by the executor (default 20)",
    )


def _add_test(subparsers: _Commands) -> None:
    test = subparsers.add_parser(
        "test",
        help="run a contract's own tests against real instances",
        usage=f"%(prog)s [--runtime {{{','.join(HERE)}}}]"
        " [--record] [--run-limit SECONDS] [--json] [PYTEST ...]",
        description="Runs pytest with the fixtures of docs/developing.md. All other words are pytest's:"
        " files, folders (default .), file.py::test, -k, -x, -v, -s, --lf, --maxfail=1.",
        # Else the beginning of one of pytest's own flags could be taken for one of these.
        allow_abbrev=False,
    )
    test.add_argument(
        "--runtime",
        choices=HERE,
        default=RuntimeName.PROCESS.value,
        help="process: no container engine needed, not isolated (default)",
    )
    test.add_argument(
        "--record", action="store_true", help="ask real modules what no mock answers, and keep it"
    )
    test.add_argument(
        "--run-limit",
        type=_seconds,
        metavar="SECONDS",
        help="the longest that one call may take (default 60; recording, 600)",
    )
    test.add_argument(
        "--json", action="store_true", help="print one line of JSON at the end, and nothing else"
    )
    test.set_defaults(takes_others=True)


def _seconds(text: str) -> float:
    """A bound. Raises ValueError, of which argparse makes a sentence."""
    if not 0 < (seconds := float(text)) <= LONGEST:
        raise ValueError
    return seconds


_seconds.__name__ = "number of seconds"

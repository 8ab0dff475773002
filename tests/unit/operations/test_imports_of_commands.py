"""What commands import: a version, a help text or a mistake is answered at once, a manager stays small."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator

from orchestrator.__main__ import make_parser

HEAVY = ("aiohttp", "asyncio", "docker", "pydantic", "pydantic_settings", "sqlalchemy", "structlog", "yaml")
PROBE = """\
import contextlib, io, json, sys
from orchestrator.__main__ import main
loaded = {}
for line in json.loads(sys.argv[1]):
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        with contextlib.suppress(SystemExit):
            main(line)
    for name in json.loads(sys.argv[2]):
        if name in sys.modules:
            loaded.setdefault(name, line)
print(json.dumps(loaded))
"""


def commands(parser: argparse.ArgumentParser, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every command and every command of a command."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, below in action.choices.items():
                yield (*above, name)
                yield from commands(below, (*above, name))


def test_what_only_parses_imports_nothing_of_a_command() -> None:
    known = list(commands(make_parser()))
    assert {("serve",), ("view",), ("images", "build"), ("token", "new")} <= set(known)
    lines = [
        ["--help"],
        ["view"],
        ["no-such-command"],
        *([*words, "--help"] for words in known),
        ["--version"],
    ]
    probe = [sys.executable, "-c", PROBE, json.dumps(lines), json.dumps(HEAVY)]
    ran = subprocess.run(probe, capture_output=True, text=True, check=True)
    assert json.loads(ran.stdout) == {}


def test_a_manager_of_one_machine_imports_nothing_of_several_or_of_clusters() -> None:
    """Each of them takes megabytes, in every manager."""
    others = ("sqlalchemy.dialects.postgresql", "psycopg", "kubernetes_asyncio", "opentelemetry", "tests")
    asked = f"import sys, orchestrator.composition; print([n for n in {others} if n in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"

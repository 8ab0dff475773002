"""Running a command as `main` does, in a thread beside the manager of the test."""

from __future__ import annotations

import argparse
import asyncio
import io
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass

from structlog.testing import capture_logs

from orchestrator.operations import arguments, cli


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str


async def command(*words: str) -> Ran:
    """`genvm-orchestrator WORDS`; one at a time, because the streams are this process's own."""
    return await asyncio.to_thread(run, *words)


def run(*words: str) -> Ran:
    parser = argparse.ArgumentParser()
    arguments.add_commands(parser.add_subparsers(dest="command", required=True))
    # `main` sends the log to stderr; here it would go to the stdout that is looked at.
    with capture_logs(), redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        code = cli.run(parser.parse_args(words))
    return Ran(code, out.getvalue(), err.getvalue())

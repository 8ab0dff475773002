"""The operator's commands: ps, inspect, logs, gc, doctor, backup, restore."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TypeVar

from orchestrator.journal_location import journal_url
from orchestrator.operations import presentation
from orchestrator.operations.address import address_of
from orchestrator.operations.failures import ManagerAway, NothingToRead, OperationFailure, RunNotFound
from orchestrator.operations.source import JournalSource, ManagerSource, Source
from orchestrator.progress import progress
from orchestrator.runtime.port import RuntimeFailure
from orchestrator.settings import Settings, load_settings
from orchestrator.state_dir import StateDirUnusable
from orchestrator.terminal_text import say, show

EXIT_OK, EXIT_FAILED, EXIT_UNKNOWN = 0, 1, 3
ENDED_BY_SIGTERM = 128 + signal.SIGTERM

T = TypeVar("T")


def run(args: argparse.Namespace) -> int:
    """Execute a parsed command. 0: done; 1: it failed, or a check did; 3: there is no such run."""
    try:
        return _RUN[args.command](args)
    except RunNotFound as error:
        print(f"genvm-orchestrator: {error}", file=sys.stderr)
        return EXIT_UNKNOWN
    except (OperationFailure, StateDirUnusable, RuntimeFailure) as error:
        say(f"genvm-orchestrator: {error}", sys.stderr)
        return EXIT_FAILED


def _ps(args: argparse.Namespace) -> int:
    runs = _answer(args, lambda source: source.runs(ended=args.all))
    print(presentation.as_json(runs) if args.json else presentation.runs_table(runs, datetime.now(UTC)))
    return EXIT_OK


def _inspect(args: argparse.Namespace) -> int:
    print(presentation.as_json(_answer(args, lambda source: source.run(args.id, output=False))))
    return EXIT_OK


def _logs(args: argparse.Namespace) -> int:
    details = _answer(args, lambda source: source.run(args.id, output=True))
    if args.json:
        streams = (args.stream,) if args.stream else ("stdout", "stderr", "log")
        print(presentation.as_json({stream: details[stream] for stream in streams}))
        return EXIT_OK
    if args.stream == "log":
        for record in details["log"]:
            print(json.dumps(record))
    if args.stream in (None, "stdout"):
        show(details["stdout"], sys.stdout)
    if args.stream in (None, "stderr"):
        show(details["stderr"], sys.stdout if args.stream else sys.stderr)
    return EXIT_OK


def _gc(args: argparse.Namespace) -> int:
    from orchestrator.operations import collection  # noqa: PLC0415 - the only one that needs an engine

    with progress("gc: asking the manager and the engine"):
        settings = _settings(args)
        manager = _manager(args, settings, operator=True)
        work = collection.collect(settings, manager, dry_run=args.dry_run)
        collected = asyncio.run(work)
    print(presentation.as_json(collected.as_json()) if args.json else collected.as_text())
    return EXIT_OK


def _doctor(args: argparse.Namespace) -> int:
    from orchestrator.operations.doctor.report import (  # noqa: PLC0415 - it looks at everything there is
        examine,
        report_json,
        report_text,
    )

    with progress("doctor: looking at this machine"):
        findings = examine(load_settings(args.config, state_dir=args.state_dir, runtime=args.runtime))
    print(presentation.as_json(report_json(findings)) if args.json else report_text(findings))
    return EXIT_FAILED if any(finding.failed for finding in findings) else EXIT_OK


def _backup(args: argparse.Namespace) -> int:
    from orchestrator.operations import backups  # noqa: PLC0415 - the only ones that write to the journal

    if args.owns_process:
        # Ended from outside it leaves no more behind than when it is interrupted.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(ENDED_BY_SIGTERM))
    work = backups.backup if args.command == "backup" else backups.restore
    with progress(f"{args.command}: {args.file}"):
        done = work(_settings(args), args.file)
    print(presentation.as_json(done.as_json()) if args.json else done.as_text())
    return EXIT_OK


def _answer(args: argparse.Namespace, ask: Callable[[Source], Awaitable[T]]) -> T:
    """Ask the manager; when it is away, its journal."""
    return asyncio.run(_ask(args, ask))


async def _ask(args: argparse.Namespace, ask: Callable[[Source], Awaitable[T]]) -> T:
    # With a manager that is named, settings are needed only when it is away: they may be another machine's.
    settings = None if args.manager else await asyncio.to_thread(_settings, args)
    url = args.manager if settings is None else _manager(args, settings)
    away: ManagerAway | None = None
    if url is not None:
        try:
            return await ask(ManagerSource(url))
        except ManagerAway as failure:
            if args.manager is not None and args.state_dir is None:
                raise
            away = failure
    if settings is None:
        settings = await asyncio.to_thread(_settings, args)
    source = JournalSource(journal_url(settings), settings.state_dir)
    try:
        answer = await ask(source)
    except NothingToRead as failure:
        raise NothingToRead(f"{away}; {failure}" if away else str(failure)) from failure
    print(f"from the {source.where}", file=sys.stderr)
    return answer


def _manager(args: argparse.Namespace, settings: Settings, *, operator: bool = False) -> str | None:
    """Whom to ask; nobody when only a state directory is named."""
    if args.manager is None and args.state_dir is not None:
        return None
    return args.manager or address_of(settings, operator=operator)


def _settings(args: argparse.Namespace) -> Settings:
    return load_settings(args.config, state_dir=args.state_dir)


_RUN: dict[str, Callable[[argparse.Namespace], int]] = {
    "ps": _ps,
    "inspect": _inspect,
    "logs": _logs,
    "gc": _gc,
    "doctor": _doctor,
    "backup": _backup,
    "restore": _backup,
}

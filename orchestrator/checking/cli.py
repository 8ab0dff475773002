"""`genvm-orchestrator check`."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Final

from orchestrator.checking import late_imports, late_names
from orchestrator.checking.problem import Problem, problem_of
from orchestrator.checking.text_annotations import text_annotations
from orchestrator.node.contract_file import read_contract
from orchestrator.node.errors import BadRequest, NodeError
from orchestrator.node.run_attempt import too_late
from orchestrator.node.run_report import RunReport
from orchestrator.node.store import NodeStore
from orchestrator.node.transactions import NodeClient
from orchestrator.progress import progress
from orchestrator.terminal_text import say
from orchestrator.workbench import workbench

Ask = Callable[[bytes], Awaitable[RunReport]]
RUN_LIMIT_S: Final = 20.0
ENDLESS: Final = (
    "the file's own lines, outside of its functions, do not come to their end: look for a loop there, or give"
    " a busy machine longer with --run-limit"
)
EXIT_OK, EXIT_REFUSED, EXIT_USAGE, EXIT_UNCHECKED = 0, 1, 2, 3


@dataclass(frozen=True, slots=True)
class Report:
    """Of one file. `schema`: its JSON text, null when there is none; `trouble`: why nobody could check it."""

    file: str
    problems: tuple[Problem, ...] = ()
    schema: str | None = None
    trouble: str = ""

    @property
    def is_taken(self) -> bool:
        """Whether a node takes it."""
        return not self.trouble and all(one.severity != "error" for one in self.problems)


async def run(args: argparse.Namespace) -> int:
    """Check the files of a parsed command; the exit code."""
    try:
        codes = {str(path): await asyncio.to_thread(read_contract, path) for path in args.contracts}
    except BadRequest as error:
        say(f"genvm-orchestrator: {error}", sys.stderr)
        return EXIT_USAGE
    with NodeStore(":memory:") as store, progress("check: starting the executor") as shown:
        async with workbench() as manager:
            node = NodeClient(store, manager)
            reports = []
            for name, code in codes.items():
                shown.at(f"check: {name}")
                reports.append(await report(node, name, code, args.run_limit or RUN_LIMIT_S))
    say(
        json.dumps([_as_map(one) for one in reports]) if args.json else "\n".join(map(as_text, reports)),
        sys.stdout,
    )
    return exit_code(reports, strict=args.strict)


def exit_code(reports: Sequence[Report], *, strict: bool) -> int:
    if any(one.trouble for one in reports):
        return EXIT_UNCHECKED
    refused = any(not one.is_taken or (strict and one.problems) for one in reports)
    return EXIT_REFUSED if refused else EXIT_OK


async def report(node: NodeClient, name: str, code: bytes, limit_s: float) -> Report:
    """Ask the executor for the contract's schema, and then for what its functions import.

    `limit_s`: seconds that each of these may take.
    """
    ask = partial(_ask, node, limit_s)
    try:
        outcome = await ask(code)
        if outcome.result is None or outcome.kind == "InternalError":
            return Report(name, trouble=outcome.failure or f"{outcome.kind}: {outcome.stderr[-500:]}")
        problem = problem_of(outcome, code)
        if problem is not None and problem.severity == "error":
            return Report(name, (problem,))
        found = [] if problem is None else [problem]
        schema = outcome.result.data if problem is None and isinstance(outcome.result.data, str) else None
        found += [*await _late_imports(ask, code), *await _late_names(ask, code)]
        if problem is None:
            found += text_annotations(code)
        return Report(name, tuple(sorted(found, key=lambda one: one.line or 0)), schema)
    except NodeError as error:
        return Report(name, trouble=str(error))


async def _ask(node: NodeClient, limit_s: float, code: bytes) -> RunReport:
    """Raises NodeError."""
    outcome = await node.schema(code, limit_s)
    if outcome.failure == too_late(limit_s):
        raise NodeError(f"{outcome.failure}: {ENDLESS}")
    return outcome


async def _late_imports(ask: Ask, code: bytes) -> list[Problem]:
    """One after the other: an import that fails hides those behind it."""
    found: list[Problem] = []
    known: set[int] = set()
    while (asked := late_imports.probe(code, frozenset(known))) is not None:
        problem = problem_of(await ask(asked), asked, "warning")
        if problem is None or problem.line is None or problem.line in known:
            return found
        known.add(problem.line)
        found.append(problem)
    return found


async def _late_names(ask: Ask, code: bytes) -> list[Problem]:
    """One after the other, too."""
    lines = late_names.late_names(code)
    names = list(lines)
    found: list[Problem] = []
    while names:
        asked, before = late_names.probe(code, names)
        problem = problem_of(await ask(asked), asked, "warning")
        if problem is None or problem.line is None or problem.line <= before:
            return found
        missing = names[problem.line - before - 1]
        names = names[problem.line - before :]
        if problem.text.startswith(("NameError", "AttributeError")):
            found.append(problem.moved(code, lines[missing]))
    return found


def as_text(report: Report) -> str:
    """One line for each problem, as compilers write them, and what to do below it."""
    if report.trouble:
        return f"{report.file}: could not be checked: {report.trouble}"
    lines = []
    for one in report.problems:
        place = report.file if one.line is None else f"{report.file}:{one.line}"
        lines.append(f"{place}: {one.severity}: {one.text}")
        lines.extend(f"    {line}" for line in (one.source, one.advice and f"→ {one.advice}") if line)
    if report.is_taken:
        lines.append(f"{report.file}: a node takes it")
    return "\n".join(lines)


def _as_map(report: Report) -> dict[str, object]:
    return {
        "file": report.file,
        "ok": report.is_taken,
        "problems": [asdict(one) for one in report.problems],
        "schema": None if report.schema is None else json.loads(report.schema),
        "trouble": report.trouble or None,
    }

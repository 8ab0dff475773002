"""All checks in order, and how they are shown. Blocking."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence

from orchestrator.journal_location import journal_url
from orchestrator.kits import kit_of
from orchestrator.kits.finding import Finding, Level, fail, ok
from orchestrator.operations.doctor import access, machine
from orchestrator.operations.failures import NothingToRead
from orchestrator.operations.presentation import table
from orchestrator.operations.source import manager_id
from orchestrator.settings import Settings
from orchestrator.store.journal import open_for_reading
from orchestrator.store.port import StoreFailure
from orchestrator.terminal_text import harmless
from orchestrator.views.overview import Json

MACHINE: Sequence[tuple[str, Callable[[Settings], Finding]]] = (
    ("state_dir", machine.check_state_dir),
    ("listener", machine.check_listener),
    ("socket_paths", machine.check_socket_paths),
    ("disk", machine.check_disk),
    ("memory", machine.check_memory),
    ("clock", lambda _: machine.check_clock()),
    ("tokens", access.check_tokens),
    ("audit", access.check_audit_file),
)


def examine(settings: Settings) -> list[Finding]:
    """Run every check; one that cannot be carried out has failed, and never stops the others."""
    findings = [_carried_out(name, check, settings) for name, check in MACHINE]
    findings.append(_carried_out("journal", check_journal, settings))
    return [*findings, *kit_of(settings).check(settings)]


def _carried_out(name: str, check: Callable[[Settings], Finding], settings: Settings) -> Finding:
    try:
        return check(settings)
    except (OSError, ValueError, LookupError) as error:
        return fail(name, f"cannot be checked: {error}", "see the error")


def check_journal(settings: Settings) -> Finding:
    """That it opens and is of this version; none yet is fine."""
    try:
        owner = manager_id(settings.state_dir)
    except NothingToRead:
        if settings.database_url is None:
            return ok("journal", "none yet")
        owner = ""
    try:
        runs, size = asyncio.run(_look_into(journal_url(settings), owner))
    except StoreFailure as failure:
        return fail(
            "journal",
            str(failure),
            "runs are refused without a journal: see docs/runbook.md#when-the-manager-refuses-runs",
        )
    return ok("journal", f"{runs} runs, {size / 1024**2:.1f} MiB on disk")


async def _look_into(url: str, owner: str) -> tuple[int, int]:
    reader = await open_for_reading(url, owner)
    try:
        return await reader.count(), await reader.size()
    finally:
        await reader.aclose()


def report_json(findings: Sequence[Finding]) -> Json:
    return {
        "ok": not any(finding.failed for finding in findings),
        "checks": [
            {"name": one.name, "level": one.level, "found": one.found, "advice": one.advice}
            for one in findings
        ],
    }


def report_text(findings: Sequence[Finding]) -> str:
    """A table, the advice below what needs it, and a last line with the counts."""
    rows = [(one.level.value.upper(), one.name, _one_line(one.found)) for one in findings]
    head, *lines = table(("", "CHECK", "FOUND"), rows).splitlines()
    shown = [head]
    for line, one in zip(lines, findings, strict=True):
        shown.append(line)
        if one.advice:
            shown.append(f"      → {_one_line(one.advice)}")
    counts = Counter(one.level for one in findings)
    return "\n".join([*shown, ", ".join(f"{counts[level]} {level}" for level in Level)])


def _one_line(text: str) -> str:
    return " ".join(harmless(text).split())

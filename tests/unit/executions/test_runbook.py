"""docs/runbook.md: an entry for each way in which a run can end, and no other; parts and commands by name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from orchestrator.executions.misuse import HOST_REFUSED
from orchestrator.executions.recovery import SET_ASIDE
from orchestrator.executions.state import Cause
from orchestrator.executions.supervisor import (
    MANAGER_RESTART,
    MODULES_NOT_RUNNING,
    RELAY_LOST,
    REQUEST_LOST,
)
from orchestrator.executions.watch import CONTROL_LOST
from orchestrator.operations.arguments import COMMANDS
from orchestrator.operations.backups import RESTORED
from orchestrator.ready_checks import DEFAULT_READY_TIMES, ready_checks
from orchestrator.runtime.port import Loss

RUNBOOK = Path(__file__).parents[3] / "docs" / "runbook.md"
ENTRY = re.compile(r"^\| `([a-z]+)` \| (?:`([a-z_]+)`|–) \|", re.MULTILINE)


def test_every_cause_and_reason_has_an_entry() -> None:
    entries = {(cause, reason or None) for cause, reason in ENTRY.findall(RUNBOOK.read_text("utf-8"))}
    reasons = {MANAGER_RESTART, CONTROL_LOST, REQUEST_LOST, *Loss}
    wanted = {(cause.value, None) for cause in Cause} | {("engine", str(reason)) for reason in reasons}
    wanted |= {("upstream", MODULES_NOT_RUNNING), ("upstream", HOST_REFUSED), ("upstream", RELAY_LOST)}
    wanted |= {("internal", SET_ASIDE), ("internal", RESTORED)}
    assert entries == wanted


def test_every_part_of_readiness_is_named_in_its_row() -> None:
    absent: Any = None
    parts = ready_checks(absent, absent, absent, absent, absent, among=None, times=DEFAULT_READY_TIMES)
    (row,) = [
        line for line in RUNBOOK.read_text("utf-8").splitlines() if line.startswith("| `/readyz` 503 |")
    ]
    assert {part for part in parts if f"`{part}`" not in row} == set()


def test_every_command_for_operators_is_in_the_first_table() -> None:
    head, _, _ = RUNBOOK.read_text("utf-8").partition("\n## ")
    named = {
        name
        for row in re.findall(r"^\| (`.+?`) \|", head, re.MULTILINE)
        for name in re.findall(r"`(\w+)", row)
    }
    assert set(COMMANDS) <= named

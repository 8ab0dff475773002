"""docs/runbook.md: every way in which a run can end has an entry, and no other."""

from __future__ import annotations

import re
from pathlib import Path

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
from orchestrator.operations.backups import RESTORED
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

"""Rows that an earlier manager left: written into the journal before the manager under test starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from orchestrator.access.caller import DEFAULT_NAMESPACE
from orchestrator.api.wire.generation_c import run_request_from_c
from orchestrator.api.wire.rules import RunRules
from orchestrator.executions.output import RunOutput
from orchestrator.executions.records import accepted_row
from orchestrator.executions.run import Run
from orchestrator.executions.state import Execution
from orchestrator.executions.written import written
from orchestrator.journal_location import JOURNAL_FILE
from orchestrator.store.journal import open_journal
from orchestrator.store.port import AcceptedRow
from orchestrator.store.sqlite import sqlite_url
from tests.generation_bodies import fields
from tests.integration.manager.conftest import Client


def queued_row(
    run_id: int,
    host: str,
    *,
    namespace: str = DEFAULT_NAMESPACE,
    manners: Mapping[str, Any] | None = None,
    **changes: Any,
) -> AcceptedRow:
    """A run of the newest clients that was accepted and has not begun; `manners` that are not theirs."""
    now = datetime.now(UTC)
    request = run_request_from_c(fields("C", host, **changes), RunRules()).within(namespace)
    request = replace(request, manners=replace(request.manners, **(manners or {})))
    execution, text = Execution(run_id, now, now + timedelta(minutes=9)), written(request)
    return accepted_row(Run(execution, request, RunOutput(1, 1), text.digest), text)


async def leave_behind(client: Client, *rows: AcceptedRow) -> None:
    """End the manager; the next one on its state directory finds these rows."""
    await client.leave()
    state = client.folder / "state"
    journal = await open_journal(sqlite_url(state / JOURNAL_FILE), (state / "manager-id").read_text())
    for row in rows:
        await journal.write(row, durable=True)
    await journal.aclose()

"""One run's session with one module instance, as the manager accounts for it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from genvm_wire import calldata
from genvm_wire.calldata import Value
from genvm_wire.module_messages import OpenSession
from orchestrator.executions.modules import Introduction
from orchestrator.modules.kinds import ModuleKind

LARGEST_STATS = 64 * 1024
"""Bytes, as calldata: they stay in the journal with their run."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a session came to: the module's counters (modules 1.11) and the number of its requests."""

    requests: int
    stats: Mapping[str, Value]

    def metrics(self, kind: ModuleKind) -> Mapping[str, Value] | None:
        """As manager-api 3.4 shows it: web without the level `scripting`; null for no request."""
        if not self.requests:
            return None
        if kind is ModuleKind.LLM:
            return self.stats
        scripting = self.stats.get("scripting")
        return scripting if isinstance(scripting, dict) else {}


def plain(stats: Mapping[str, Value]) -> dict[str, Value]:
    """A module's counters as far as they are counters: numbers, texts, and maps of them, within bounds."""
    if len(calldata.encode(stats)) > LARGEST_STATS:
        return {}
    return _plain_map(stats)


def _plain_map(entries: Mapping[str, Value]) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for key, value in entries.items():
        if isinstance(value, dict):
            found[key] = _plain_map(value)
        elif value is None or isinstance(value, bool | int | str):
            found[key] = value
    return found


class RunSession:
    """`ended` has the usage, or null when the module went without a word."""

    def __init__(self, run: int) -> None:
        self.run = run
        self.ended: asyncio.Future[Usage | None] = asyncio.get_running_loop().create_future()

    def end(self, usage: Usage | None) -> None:
        if not self.ended.done():
            self.ended.set_result(usage)


def session_message(introduction: Introduction) -> OpenSession:
    """What a module is told of a run (docs/module-protocol.md); its descriptor rides on it."""
    return OpenSession(
        introduction.run,
        introduction.role,
        introduction.host_data,
        dict(introduction.gas_data),
        introduction.initial_time_units_allocation,
        introduction.deadline_ms,
    )

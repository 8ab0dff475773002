"""What a manager's readiness depends on."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime

from orchestrator.company import Among
from orchestrator.contracts.catalogue import Catalogue
from orchestrator.modules.kinds import ModuleKind
from orchestrator.modules.service import ModuleService
from orchestrator.readiness import Check
from orchestrator.runtime.port import Runtime
from orchestrator.store.writability import Writability


@dataclass(frozen=True, slots=True)
class ReadyTimes:
    """All in seconds; `settle`: well for so long before it counts as well again. Tests give other values."""

    journal_look: float = 5.0
    """Between two looks at whether runs can be written down: one small commit each."""
    engine_settle: float = 3.0
    module_settle: float = 2.0
    module_patience: float = 10.0
    """A module that crashed is back by itself sooner most of the time, and runs wait for it."""


DEFAULT_READY_TIMES = ReadyTimes()
NOT_WRITTEN = "runs cannot be written down: "


def ready_checks(
    recovered: asyncio.Event,
    runtime: Runtime,
    writability: Writability,
    catalogue: Catalogue,
    modules: ModuleService,
    *,
    among: Among | None,
    times: ReadyTimes,
) -> dict[str, Check]:
    """By part, in the order in which they are told."""
    return {
        "recovery": Check(lambda: None if recovered.is_set() else "recovering"),
        "lease": Check(lambda: _lease(among)),
        "orders": Check(lambda: None if among is None else among.orders.trouble()),
        "engine": Check(lambda: _engine(runtime), settle=times.engine_settle),
        # These two have a hysteresis of their own, by looks and by room.
        "disk": Check(lambda: _written(writability.disk_trouble)),
        "journal": Check(lambda: _written(writability.journal_trouble)),
        "manifest": Check(lambda: _manifest(catalogue)),
        **{
            f"{kind}_module": Check(
                lambda kind=kind: _module(modules, kind),  # type: ignore[misc]
                patience=times.module_patience,
                settle=times.module_settle,
            )
            for kind in ModuleKind
        },
    }


def _lease(among: Among | None) -> str | None:
    return None if among is None or among.member.lasts else "this manager cannot renew its lease"


def _engine(runtime: Runtime) -> str | None:
    return None if runtime.reachable() else "the container engine does not answer"


def _written(trouble: str | None) -> str | None:
    return None if trouble is None else NOT_WRITTEN + trouble


def _manifest(catalogue: Catalogue) -> str | None:
    now = datetime.now(UTC)
    if any(version.available_after <= now for version in catalogue.manifest.versions):
        return None
    return "the manifest has no version that is available yet"


def _module(modules: ModuleService, kind: ModuleKind) -> str | None:
    """One that nobody started, or that was stopped, is not asked for."""
    return f"the {kind} module does not run" if modules.is_missing(kind) else None

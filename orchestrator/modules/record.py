"""Which containers are the modules' ones: a small file beside the journal, for the manager that comes after.

Names and flags only. A configuration that was posted is not in it, because it may hold secrets in clear: the
module itself keeps it, and a module that is lost while its manager is away has to be started again.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from orchestrator.modules.kinds import ModuleKind

FILE_NAME = "modules.json"
ORDERS = "orders"
"""Beside the modules, not in them: versions that know of no orders for all take no entry with more in it."""


@dataclass(frozen=True, slots=True)
class ModuleEntry:
    """Of one module. `last` numbers instances and configurations; `by_default`: from the default file."""

    last: int = 0
    current: str | None = None
    draining: tuple[str, ...] = ()
    image: str = ""
    by_default: bool = False
    allow_empty_backends: bool = False
    user_error: bool = False
    order: int = 0
    """The number of the order for all managers that it was started by; 0: a lone manager's."""

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self.draining) | ({self.current} if self.current else set())


class ModuleRecord:
    """Read once, written whole and in one step. Blocking: call `load` and `save` in a thread."""

    def __init__(self, state_dir: Path) -> None:
        self._file = state_dir / FILE_NAME

    def load(self) -> dict[ModuleKind, ModuleEntry]:
        """What an earlier manager left; a file that cannot be read counts as none."""
        try:
            saved = json.loads(self._file.read_text("utf-8"))
            orders = saved.get(ORDERS, {})
            return {kind: _entry(saved.get(kind.value, {}), orders.get(kind.value, 0)) for kind in ModuleKind}
        except (OSError, ValueError, TypeError, AttributeError):
            return {kind: ModuleEntry() for kind in ModuleKind}

    def save(self, entries: dict[ModuleKind, ModuleEntry]) -> None:
        """Raises OSError."""
        known: dict[str, Any] = {kind.value: asdict(entry) for kind, entry in entries.items()}
        known[ORDERS] = {kind: known[kind].pop("order") for kind in entries}
        text = json.dumps(known, indent=1)
        draft = self._file.with_suffix(".new")
        with draft.open("w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._file)


def _entry(saved: dict[str, Any], order: int) -> ModuleEntry:
    return replace(ModuleEntry(**saved), draining=tuple(saved.get("draining", ())), order=order)

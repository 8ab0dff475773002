"""All groups, in the order of the page."""

from __future__ import annotations

from orchestrator.metrics import machinery, modules, runs

GROUPS = (*runs.GROUPS, *machinery.GROUPS, *modules.GROUPS)

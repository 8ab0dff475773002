"""Which pages are made, and by what."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from orchestrator.metrics import page as metrics
from orchestrator.reference import causes, cli, labels, routes
from orchestrator.settings import page as settings

DOCS: Final = Path(__file__).parents[2] / "docs"
PAGES: Final[Mapping[Path, Callable[[], str]]] = {
    settings.PAGE: settings.page,
    metrics.PAGE: metrics.page,
    DOCS / "cli.md": cli.page,
    DOCS / "routes.md": routes.page,
    DOCS / "labels.md": labels.page,
    DOCS / "causes.md": causes.page,
}
